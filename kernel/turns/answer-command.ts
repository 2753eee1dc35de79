import { decideByWord } from '#kernel/approvals/decide-by-word.ts'
import type { Context } from '#kernel/context.ts'
import { breakerNote } from '#kernel/inference/breaker-note.ts'
import { providerOf } from '#kernel/inference/model-name.ts'
import { resolveAuthority } from '#kernel/policy/authority.ts'
import { type Command, refusalOf } from '#kernel/policy/commands.ts'
import { openSessionFor } from '#kernel/sessions/open-session.ts'
import { sessionFields } from '#kernel/sessions/session-fields.ts'
import { appendMessage, newestMessages } from '#kernel/store/messages.ts'
import { archiveActiveSession, findActiveSession, insertSession, type SessionRow } from '#kernel/store/sessions.ts'
import { insertFinishedTurn } from '#kernel/store/turns.ts'
import type { AgentAnswer } from '#sdk/contracts/agent.ts'
import { newId } from '#sdk/ids.ts'
import type { NewMessage } from './accept-turn.ts'

const help = `Commands:
/status – how Keel is doing
/model [provider/model | reset] – show, choose or reset the model
/models – the configured models
/breaker [reset [provider]] – circuit breakers
/retry – the last answer once more
/new – begin a new session
/stop – stop what is under way in this session
/approve ID, /deny ID – decide about a call that waits for it
/help – this list`

/** Scripts look for these words, also where there are no subagents. */
const noSubagents = ['taskable subagents: 0', 'subagent taskability: none configured', 'subagents: none']

/** Answers a command without asking a model; question and answer are kept like any others, at no cost. */
export async function answerCommand(command: Command, message: NewMessage, context: Context): Promise<AgentAnswer> {
  const { store, bus, config } = context
  const startedAt = Date.now()
  const { session } = store.write.transaction(() => openSessionFor(store.write, message, config.current()))()
  const { level: authority } = resolveAuthority({ grants: message.grants, ceilings: [] })
  const content = refusalOf(command, authority) ?? (await run(command, session, message, context))
  // A session that the command began is where the exchange belongs.
  const home =
    command.name === 'new' ? (findActiveSession(store.read, session.agent_id, session.scope_key) ?? session) : session
  const turn_id = newId()
  const { question, answer } = store.write.transaction(() => {
    const question = appendMessage(store.write, {
      session_id: home.id,
      role: 'user',
      content: message.content,
      turn_id,
    })
    const answer = appendMessage(store.write, { session_id: home.id, role: 'assistant', content, turn_id })
    insertFinishedTurn(store.write, {
      id: turn_id,
      session_id: home.id,
      user_message_id: question.id,
      assistant_message_id: answer.id,
      status: 'ok',
      model: 'command',
    })
    return { question, answer }
  })()
  for (const { id, role, created_at } of [question, answer]) {
    bus.publish('message_appended', { session_id: home.id, message_id: id, role, turn_id, created_at })
  }
  return {
    session_id: home.id,
    turn_id,
    nickname: home.nickname,
    user_message_id: question.id,
    assistant_message_id: answer.id,
    content,
    selected_model: 'command',
    model: 'command',
    model_shift_from: null,
    cached: false,
    tokens_saved: 0,
    tokens_in: 0,
    tokens_out: 0,
    cost: 0,
    threat_score: 0,
    reduced_authority: false,
    authority,
    react_turns: 0,
    tools_used: [],
    tool_calls: [],
    latency_ms: Date.now() - startedAt,
    quality_score: null,
    escalated: false,
    complexity_level: null,
    pending_approvals: [],
  }
}

function run(command: Command, session: SessionRow, message: NewMessage, context: Context): string | Promise<string> {
  switch (command.name) {
    case 'help':
      return help
    case 'status':
      return statusText(context)
    case 'models':
      return modelsText(context)
    case 'model':
      return modelText(command, context)
    case 'breaker':
      return breakerText(command, context)
    case 'retry':
      return lastAnswer(session, context)
    case 'new':
      return beginSession(session, context)
    case 'stop':
      return stopTurns(session, context)
    case 'approve':
    case 'deny':
      return decideByWord(context.approvals, { ...command, decided_by: writerOf(message) })
  }
}

/** Names who decided, as the audit is to know them. */
function writerOf({ channel, peer_id, sender_id }: NewMessage): string {
  const id = peer_id ?? sender_id
  return channel === undefined || id === undefined ? 'api' : `${channel}:${id}`
}

async function statusText({ version, startedAt, config, supervisor, inferenceView, turns }: Context): Promise<string> {
  const { breakers, current_model } = await inferenceView.refresh()
  const services = supervisor.status().map(({ name, state }) => `${name} ${state}`)
  return [
    `${config.current().agent.name} is running.`,
    `version: v${version}`,
    `up for: ${Math.floor((Date.now() - startedAt) / 1000)} s`,
    `model: ${current_model}`,
    `breakers: ${breakerNote(breakers)}`,
    `services: ${services.join(', ')}`,
    `turns under way: ${turns.activeCount}`,
    ...noSubagents,
  ].join('\n')
}

function modelsText({ config }: Context): string {
  const { primary, fallbacks, routing } = config.current().models
  return [`primary: ${primary}`, `fallbacks: ${fallbacks.join(', ') || 'none'}`, `routing: ${routing.mode}`].join('\n')
}

async function modelText(
  command: Extract<Command, { name: 'model' }>,
  { config, inferenceView, modelOverride }: Context,
): Promise<string> {
  const { primary } = config.current().models
  if (command.action === 'reset') {
    await modelOverride.set(null)
    return `Model override cleared; the primary is ${primary}.`
  }
  if (command.action === 'set') {
    if (!command.model.includes('/') || !config.knowsProvider(providerOf(command.model)))
      return `Unknown model: ${command.model}. Give it as provider/model.`
    await modelOverride.set(command.model)
    return `Model override set to ${command.model}.`
  }
  const override = modelOverride.current()
  const { current_model } = await inferenceView.refresh()
  return [
    `current: ${current_model}`,
    `primary: ${primary}`,
    override ? `override active: ${override}` : 'no override set',
  ].join('\n')
}

async function breakerText(
  command: Extract<Command, { name: 'breaker' }>,
  { inference, inferenceView }: Context,
): Promise<string> {
  const { breakers } = await inferenceView.refresh()
  if (command.action === 'show') {
    const lines = Object.entries(breakers).map(([name, { state }]) => `${name}: ${state}`)
    return lines.length > 0 ? lines.join('\n') : 'No provider has been used yet.'
  }
  if (command.provider !== null) {
    const { known } = await inference.resetBreaker({ provider: command.provider })
    return known ? `'${command.provider}' reset to closed.` : `Unknown provider: ${command.provider}.`
  }
  const open = Object.entries(breakers).filter(([, { state }]) => state !== 'closed')
  for (const [provider] of open) await inference.resetBreaker({ provider })
  return open.length > 0 ? `Reset ${open.length} circuit breaker(s).` : 'All circuit breakers are already closed.'
}

function lastAnswer({ id }: SessionRow, { store }: Context): string {
  const last = newestMessages(store.read, id, { limit: 50, offset: 0 }).findLast(({ role }) => role === 'assistant')
  return last?.content ?? 'There is no answer to repeat yet.'
}

function beginSession({ agent_id, scope_key }: SessionRow, { store, bus }: Context): string {
  const { archived, created } = store.write.transaction(() => ({
    archived: archiveActiveSession(store.write, agent_id, scope_key),
    created: insertSession(store.write, { agent_id, scope_key }),
  }))()
  if (archived) bus.publish('session_archived', sessionFields(archived))
  bus.publish('session_created', sessionFields(created))
  return 'A new session has begun.'
}

function stopTurns({ id }: SessionRow, { turns }: Context): string {
  const running = turns.ofSession(id)
  for (const { live } of running) live.cancel('Stopped by a command')
  return running.length > 0 ? `Stopped ${running.length} turn(s).` : 'Nothing is under way.'
}
