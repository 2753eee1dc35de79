import { payerOf } from '#kernel/budgets/payer.ts'
import type { Context } from '#kernel/context.ts'
import type { Caller } from '#kernel/http/gate.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { answered, Reply } from '#kernel/http/reply.ts'
import { providerOf } from '#kernel/inference/model-name.ts'
import { cacheLookups } from '#kernel/observatory/statistics/cache-lookups.ts'
import { apiGrant } from '#kernel/policy/authority.ts'
import { parseCommand } from '#kernel/policy/commands.ts'
import { countPendingApprovals } from '#kernel/store/approvals.ts'
import { countActiveSessions } from '#kernel/store/sessions.ts'
import { lastTurnAt } from '#kernel/store/turns.ts'
import { acceptTurn, type NewMessage } from '#kernel/turns/accept-turn.ts'
import { answerOf } from '#kernel/turns/answer.ts'
import { answerCommand } from '#kernel/turns/answer-command.ts'
import { outcomeOrApprovals, pendingAnswer } from '#kernel/turns/await-answer.ts'
import type { TurnEvent } from '#kernel/turns/live-turn.ts'
import type { AgentAnswer, AgentMessage, AgentStreamEvent, agentRoutes } from '#sdk/contracts/agent.ts'

export const agentHandlers: Handlers<typeof agentRoutes, Context> = {
  async getAgentStatus(_, { startedAt, config, store, costs, inferenceView, turns, channels }) {
    const { agent, models } = config.current()
    const reachable = channels.status().filter(({ configured, last_error }) => configured || last_error !== null)
    const [inference, { hit_rate }] = await Promise.all([inferenceView.refresh(), cacheLookups({ store, costs })])
    const primary_provider = providerOf(models.primary)
    const states = Object.values(inference.breakers)
    const primary_provider_state = inference.breakers[primary_provider]?.state ?? 'closed'
    const uptime_seconds = Math.floor((Date.now() - startedAt) / 1000)
    const usable = [models.primary, ...models.fallbacks].filter(
      (model) => !inference.breakers[providerOf(model)]?.blocked,
    )
    return {
      state: 'running',
      health: usable.includes(models.primary) ? 'ok' : usable.length > 0 ? 'degraded' : 'down',
      id: agent.id,
      agent_id: agent.id,
      name: agent.name,
      agent_name: agent.name,
      model: inference.current_model,
      primary_model: models.primary,
      active_model: inference.current_model,
      primary_provider_state,
      cache_entries: inference.cache.entries,
      cache_hit_rate_pct: hit_rate * 100,
      uptime_seconds,
      active_turns: turns.activeCount,
      sessions_active: countActiveSessions(store.read),
      last_turn_at: lastTurnAt(store.read),
      diagnostics: {
        uptime_seconds,
        primary_model: models.primary,
        active_model: inference.current_model,
        primary_provider,
        primary_provider_state,
        breaker_open_count: states.filter(({ state }) => state === 'open').length,
        breaker_half_open_count: states.filter(({ state }) => state === 'half_open').length,
        cache_entries: inference.cache.entries,
        cache_hit_rate_pct: hit_rate * 100,
        pending_approvals: countPendingApprovals(store.read).all,
        taskable_subagents_total: 0,
        taskable_subagents_enabled: 0,
        taskable_subagents_booting: 0,
        taskable_subagents_running: 0,
        taskable_subagents_error: 0,
        taskable_subagents_hollow: 0,
        delegation_tools_available: false,
        channels_total: reachable.length,
        channels_with_errors: reachable.filter(({ last_error, connected }) => last_error !== null && !connected).length,
      },
    }
  },

  async sendMessage({ body, caller, signal }, context) {
    const message = newMessage(body, caller, context, false)
    const command = parseCommand(message.content)
    if (command) return answerCommand(command, message, context)
    const accepted = acceptTurn(message, { ...context, config: context.config.current() })
    const hangUp = () => accepted.live.hangUp()
    signal.addEventListener('abort', hangUp, { once: true })
    if (signal.aborted) hangUp()
    try {
      const waitMs = context.config.current().approvals.answer_wait_seconds * 1000
      const ended = await outcomeOrApprovals(accepted, context.store, waitMs)
      return 'pending_approvals' in ended
        ? pendingAnswer(accepted, ended, context.store)
        : answerOf(accepted, ended, context.store)
    } finally {
      signal.removeEventListener('abort', hangUp)
    }
  },

  async streamMessage({ body, caller, signal, reply }, context) {
    const message = newMessage(body, caller, context, true)
    const command = parseCommand(message.content)
    const expected = context.inferenceView.latest()?.current_model ?? context.config.current().models.primary
    if (command) {
      const answer = await answerCommand(command, message, context)
      const { send, end } = openStream(reply, signal)
      await send({ type: 'stream_start', session_id: answer.session_id, turn_id: answer.turn_id, model: answer.model })
      await send({ type: 'chunk', delta: answer.content, model: answer.model, finish_reason: 'stop' })
      await send(streamEnd(answer, false))
      return end()
    }
    const accepted = acceptTurn(message, { ...context, config: context.config.current() })
    const { send, end, closed } = openStream(reply, signal)
    closed.addEventListener('abort', () => accepted.live.hangUp(), { once: true })
    accepted.live.listen((event) => send(streamEvent(event, accepted.session_id)))
    await send({ type: 'stream_start', session_id: accepted.session_id, turn_id: accepted.turn_id, model: expected })
    const outcome = await accepted.outcome
    // The content says why in words; this is for clients that do not read it.
    if (outcome.status === 'error') await send({ type: 'error', error: 'upstream provider error' })
    await send(streamEnd(answerOf(accepted, outcome, context.store), outcome.status === 'blocked'))
    return end()
  },
}

function openStream(reply: Reply, signal: AbortSignal) {
  const stream = reply.sse({ signal })
  return {
    closed: stream.closed,
    send: (event: AgentStreamEvent) => stream.send(event),
    async end(): Promise<typeof answered> {
      await stream.send('[DONE]')
      return stream.end()
    },
  }
}

function newMessage(body: AgentMessage, caller: Caller, { config }: Context, streamed: boolean): NewMessage {
  return {
    content: body.content,
    session_id: body.session_id ?? undefined,
    channel: body.channel ?? undefined,
    sender_id: body.sender_id ?? undefined,
    peer_id: body.peer_id ?? undefined,
    group_id: body.group_id ?? undefined,
    is_group: body.is_group ?? undefined,
    model: body.model ?? undefined,
    no_cache: body.no_cache ?? undefined,
    execution_timeout_ms: body.execution_timeout_ms ?? undefined,
    model_call_timeout_ms: body.model_call_timeout_ms ?? undefined,
    grants: [apiGrant(config.current().security)],
    account: payerOf(caller),
    streamed,
  }
}

function streamEvent(event: TurnEvent, session_id: string): AgentStreamEvent {
  switch (event.type) {
    case 'delta':
      return { type: 'chunk', delta: event.delta, model: event.model, finish_reason: null }
    case 'blocked':
      return { type: 'stream_blocked', reason: event.reason, session_id }
    default:
      return event
  }
}

function streamEnd(answer: AgentAnswer, content_blocked: boolean): AgentStreamEvent {
  return {
    type: 'stream_end',
    session_id: answer.session_id,
    turn_id: answer.turn_id,
    user_message_id: answer.user_message_id,
    assistant_message_id: answer.assistant_message_id,
    nickname: answer.nickname,
    model: answer.model,
    tokens_in: answer.tokens_in,
    tokens_out: answer.tokens_out,
    cost: answer.cost,
    cached: answer.cached,
    react_turns: answer.react_turns,
    content: answer.content,
    content_length: Buffer.byteLength(answer.content),
    content_blocked,
  }
}
