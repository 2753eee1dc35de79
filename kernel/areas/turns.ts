import type { RealHandlers } from '#kernel/areas/pending.ts'
import { payerOf } from '#kernel/budgets/payer.ts'
import type { Context } from '#kernel/context.ts'
import { apiGrant, resolveAuthority } from '#kernel/policy/authority.ts'
import { listReplays } from '#kernel/store/replays.ts'
import { selectionsOfTurn } from '#kernel/store/selections.ts'
import { listToolCalls } from '#kernel/store/tool-calls.ts'
import { findContextSnapshot, listModelSteps, noSnapshot } from '#kernel/store/turn-steps.ts'
import { countTurns, listTurns, loadTurn } from '#kernel/store/turns.ts'
import type { ReplayEvent } from '#sdk/contracts/replays.ts'
import type { turnsRoutes } from '#sdk/contracts/turns.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { contextOfTurn } from './context-of-turn.ts'
import { memoryOfTurn } from './memory-of-turn.ts'
import { toolCallFailed, toolCallView } from './tool-call-view.ts'

/** The most turns in one answer, for a caller that asks for all. */
const maxTurns = 5000

type TurnsContext = Pick<Context, 'store' | 'config'> & {
  turns: Pick<Context['turns'], 'find'>
  replays: Pick<Context['replays'], 'run'>
  analyses: Pick<Context['analyses'], 'tipsOf' | 'insightsOf' | 'ofTurn' | 'ofSession'>
}

export const turnsHandlers: RealHandlers<'turns', typeof turnsRoutes, TurnsContext> = {
  listSessionTurns: ({ params, query }, { store }) => ({
    turns: listTurns(store.read, params.id, {
      limit: query.limit === 0 ? maxTurns : query.limit,
      offset: query.offset,
    }),
    total: countTurns(store.read, params.id),
  }),

  getTurn: ({ params }, { store }) => loadTurn(store.read, params.id),

  cancelTurn({ params }, { store, turns }) {
    const turn = loadTurn(store.read, params.id)
    turns.find(turn.id)?.live.cancel()
    return { turn_id: turn.id, cancelled: turn.status === 'running' }
  },

  getTurnContext({ params }, { store }) {
    const turn = loadTurn(store.read, params.id)
    const stored = findContextSnapshot(store.read, turn.id)
    const snapshot = stored ?? noSnapshot
    const steps = listModelSteps(store.read, turn.id)
    const plan = steps.find((step) => step.kind === 'context')?.plan
    const calls = listToolCalls(store.read, turn.id)
    return {
      turn_id: turn.id,
      model: turn.model,
      token_budget: snapshot.token_budget,
      system_prompt_tokens: snapshot.system_prompt_tokens,
      memory_tokens: snapshot.memory_tokens,
      history_tokens: snapshot.history_tokens,
      history_depth: snapshot.history_depth,
      complexity_level: snapshot.complexity_level,
      tokens_in: turn.tokens_in ?? 0,
      tokens_out: turn.tokens_out ?? 0,
      cost: turn.cost ?? 0,
      tool_call_count: calls.length,
      tool_failure_count: calls.filter(toolCallFailed).length,
      system_tokens: snapshot.system_prompt_tokens,
      total_tokens:
        snapshot.system_prompt_tokens +
        snapshot.memory_tokens +
        snapshot.history_tokens +
        snapshot.tool_definition_tokens,
      max_tokens: snapshot.token_budget,
      snapshot: stored !== undefined,
      tool_definition_tokens: snapshot.tool_definition_tokens,
      dropped_history: snapshot.dropped_history,
      compaction_stage: null,
      skills: plan?.skills ?? [],
      ...memoryOfTurn(plan?.memory),
      ...contextOfTurn(store.read, turn, steps),
    }
  },

  async replayTurn({ params, body, caller, signal, headers, reply }, { config, replays }) {
    const { level } = resolveAuthority({ grants: [apiGrant(config.current().security)], ceilings: [] })
    if (level !== 'Creator') throw new RuntimeError('forbidden', 'replaying a turn needs Creator authority')
    const payer = payerOf(caller)
    if (!headers.accept?.includes('text/event-stream')) return replays.run(params.id, body, { payer, signal })
    const onEvent = (event: ReplayEvent) => reply.sse({ signal }).send(event)
    await onEvent({ type: 'replay_end', report: await replays.run(params.id, body, { payer, signal, onEvent }) })
    const stream = reply.sse({ signal })
    await stream.send('[DONE]')
    return stream.end()
  },

  listTurnReplays: ({ params }, { store }) => ({
    replays: listReplays(store.read, loadTurn(store.read, params.id).id),
  }),

  listTurnTools: ({ params }, { store }) => ({
    tool_calls: listToolCalls(store.read, params.id).map(toolCallView),
  }),

  async getTurnTips({ params }, { analyses }) {
    const tips = await analyses.tipsOf(params.id)
    return { turn_id: params.id, tips, tip_count: tips.length }
  },

  getTurnModelSelection({ params }, { store }) {
    const events = selectionsOfTurn(store.read, params.id)
    const newest = events[0]
    if (!newest) throw new RuntimeError('not_found', `no model selection trace for turn ${params.id}`)
    return { ...newest, events }
  },

  async analyzeTurn({ params, query, caller, signal }, { analyses }) {
    const analysis = await analyses.ofTurn(params.id, { refresh: query.refresh, payer: payerOf(caller), signal })
    return { turn_id: params.id, heuristic_tips: analysis.tips, ...analysis }
  },

  async getSessionInsights({ params }, { analyses }) {
    const { insights, turn_count } = await analyses.insightsOf(params.id)
    return { session_id: params.id, insights, insight_count: insights.length, turn_count }
  },

  async analyzeSession({ params, query, caller, signal }, { analyses }) {
    const analysis = await analyses.ofSession(params.id, { refresh: query.refresh, payer: payerOf(caller), signal })
    return { session_id: params.id, heuristic_insights: analysis.tips, ...analysis }
  },
}
