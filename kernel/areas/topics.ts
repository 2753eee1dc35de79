import { budgetOverview } from '#kernel/budgets/overview.ts'
import type { Context } from '#kernel/context.ts'
import type { Topic } from '#kernel/http/topics.ts'
import { breakerNote } from '#kernel/inference/breaker-note.ts'

const listed = 200
/** Of each budget. */
const listedAccounts = 20

/** What a client of the WebSocket can watch: the same facts as the routes of that name, told anew when they change. */
export function watchableTopics({
  config,
  store,
  costs,
  supervisor,
  inferenceView,
  turns,
  channels,
}: Context): Readonly<Record<string, Topic>> {
  return {
    'agent.status': {
      on: ['turn_started', 'turn_completed', 'breaker_changed', 'config_updated'],
      snapshot: async () => {
        const { agent, models } = config.current()
        const { current_model } = await inferenceView.refresh()
        return {
          state: 'running',
          agent_id: agent.id,
          name: agent.name,
          primary_model: models.primary,
          active_model: current_model,
          active_turns: turns.activeCount,
        }
      },
    },
    sessions: {
      on: ['session_created', 'session_updated', 'session_archived', 'session_deleted', 'message_appended'],
      snapshot: async () => ({
        sessions: await store.pool.run('listSessions', { filter: {}, order: 'updated', limit: listed, offset: 0 }),
      }),
    },
    services: {
      on: ['service_state_changed'],
      snapshot: async () => ({ services: supervisor.status() }),
    },
    channels: {
      on: ['channel_state_changed', 'channel_message', 'dead_letter', 'config_updated'],
      snapshot: async () => ({ channels: channels.status() }),
    },
    budgets: {
      on: ['budget_soft_line', 'budget_hard_line', 'config_updated'],
      snapshot: () => budgetOverview({ limit: listedAccounts }, { config, store, costs }),
    },
    breakers: {
      on: ['breaker_changed'],
      snapshot: async () => {
        const { breakers } = await inferenceView.refresh()
        return { providers: breakers, note: breakerNote(breakers) }
      },
    },
    config: {
      on: ['config_updated'],
      snapshot: async () => config.redacted(),
    },
  }
}
