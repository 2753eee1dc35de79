import type { Config } from '#kernel/config/schema.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import { type Grant, resolveAuthority } from '#kernel/policy/authority.ts'
import { scanInput } from '#kernel/policy/threat.ts'
import { nicknameFor } from '#kernel/sessions/nickname.ts'
import { openSessionFor, type SessionAddress } from '#kernel/sessions/open-session.ts'
import { sessionFields } from '#kernel/sessions/session-fields.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import { setNickname } from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'
import { insertTurn } from '#kernel/store/turns.ts'
import { type Account, noAccount } from '#sdk/budgets.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { type InFlight, messageKey } from './in-flight.ts'
import type { TurnRequest } from './turn-request.ts'
import type { RunningTurn, TurnRunner } from './turn-runner.ts'
import { newTurnTrace } from './turn-trace.ts'

/** The longest message, in bytes of UTF-8. */
export const maxMessageBytes = 32_768

const { session_id: _session, ...payers } = noAccount

export interface NewMessage extends SessionAddress {
  content: string
  /** What the way in and the sender are worth, before the ceilings. */
  grants: Grant[]
  streamed: boolean
  /** What beside its session pays for the turn; nothing unless told. */
  account?: Partial<Omit<Account, 'session_id'>> | undefined
  /** Tells it from others with the same words, which are otherwise refused while one of them is being answered. */
  message_id?: string | undefined
  model?: string | undefined
  no_cache?: boolean | undefined
  execution_timeout_ms?: number | undefined
  model_call_timeout_ms?: number | undefined
}

export interface AcceptedTurn extends RunningTurn {
  turn_id: string
  session_id: string
  nickname: string | null
  user_message_id: string
  threat_score: number
  authority: TurnRequest['authority']
  reduced_authority: boolean
}

export interface AcceptDeps {
  store: Store
  bus: EventBus
  config: Config
  inFlight: InFlight
  turns: TurnRunner
  /** Stored with the message and its turn, or not at all: what it throws refuses the message. */
  alongside?: (turn: { turn_id: string; session_id: string }, db: WritableDb) => void
}

/** Judges a message, finds its session, stores both durably, and sets the turn going. What it returns is accepted for good. */
export function acceptTurn(
  message: NewMessage,
  { store, bus, config, inFlight, turns, alongside }: AcceptDeps,
): AcceptedTurn {
  const threat = admitText(message.content)
  const authority = resolveAuthority({
    grants: message.grants,
    ceilings: threat.verdict === 'caution' ? [config.security.threat_caution_ceiling] : [],
  })
  turns.requireRoom()
  const message_key = messageKey(
    [message.session_id, message.channel, message.peer_id ?? message.sender_id, message.group_id, message.message_id],
    message.content,
  )
  const release = inFlight.claim(message_key)
  try {
    const turn_id = newId()
    const trace = newTurnTrace()
    const request: TurnRequest = {
      agent_id: config.agent.id,
      channel: message.channel ?? 'web',
      authority: authority.level,
      authority_sources: authority.sources,
      authority_ceiling: authority.ceiling,
      sender_id: message.peer_id ?? message.sender_id ?? null,
      threat_score: threat.score,
      model_text: threat.sanitized,
      model: message.model ?? 'auto',
      use_cache: config.cache.enabled && message.no_cache !== true,
      max_seconds: (message.execution_timeout_ms ?? config.agent.autonomy_max_turn_duration_seconds * 1000) / 1000,
      max_tokens: config.agent.autonomy_max_turn_tokens,
      max_cost: config.agent.autonomy_max_turn_cost,
      model_call_timeout_ms: message.model_call_timeout_ms ?? null,
      message_key,
      account: { ...payers, ...message.account },
      streamed: message.streamed,
      trace,
    }
    const { session, userMessage, created } = store.durable.transaction(() => {
      const opened = openSessionFor(store.durable, message, config)
      const userMessage = appendMessage(store.durable, {
        session_id: opened.session.id,
        role: 'user',
        content: message.content,
        turn_id,
      })
      insertTurn(store.durable, {
        id: turn_id,
        session_id: opened.session.id,
        user_message_id: userMessage.id,
        request_json: JSON.stringify(request),
        trace_id: trace.trace_id,
      })
      alongside?.({ turn_id, session_id: opened.session.id }, store.durable)
      // Within: what can fail after the message is stored would refuse what has been accepted.
      if (opened.session.nickname === null)
        setNickname(store.durable, opened.session.id, nicknameFor(message.content), 'heuristic')
      return { ...opened, userMessage }
    })()
    const nickname = session.nickname ?? nicknameFor(message.content)
    if (created) bus.publish('session_created', sessionFields({ ...session, nickname }))
    bus.publish('message_appended', {
      session_id: session.id,
      message_id: userMessage.id,
      role: 'user',
      turn_id,
      created_at: userMessage.created_at,
    })
    bus.publish('turn_started', { turn_id, session_id: session.id, model: null })
    const running = turns.start(turn_id, session.id)
    running.outcome.then(release, release)
    return {
      ...running,
      turn_id,
      session_id: session.id,
      nickname,
      user_message_id: userMessage.id,
      threat_score: threat.score,
      authority: authority.level,
      reduced_authority: authority.threat_downgraded,
    }
  } catch (thrown) {
    release()
    throw thrown
  }
}

/** The checks that come before anything is looked up or stored. */
export function admitText(content: string): ReturnType<typeof scanInput> {
  if (content.trim() === '') throw new RuntimeError('invalid', 'message content cannot be empty')
  if (Buffer.byteLength(content) > maxMessageBytes) {
    throw new RuntimeError('too_large', `message content exceeds maximum length (${maxMessageBytes} bytes)`)
  }
  const threat = scanInput(content)
  if (threat.verdict === 'blocked') {
    throw new RuntimeError('forbidden', 'message_blocked', {
      reason: 'prompt injection detected',
      threat_score: threat.score,
    })
  }
  return threat
}
