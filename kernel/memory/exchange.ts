import { offlineProvider } from '#kernel/config/sections/providers.ts'
import type { ReadableDb } from '#kernel/store/database.ts'
import { findMessage } from '#kernel/store/messages.ts'
import { loadSession } from '#kernel/store/sessions.ts'
import { listToolCalls, type ToolCallRow } from '#kernel/store/tool-calls.ts'
import { findContextPlan } from '#kernel/store/turn-steps.ts'
import { findTurn, turnRequest as storedRequest, type TurnRow } from '#kernel/store/turns.ts'
import { turnRequest } from '#kernel/turns/turn-request.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import type { Exchange } from '#sdk/services/memory.ts'

/** What of a turn is enough to remember it by: bytes of an answer, calls of tools, and bytes of what each took and gave. */
const maxAnswerBytes = 65_536
const maxTools = 64
const maxToolBytes = 4_096

/** A finished turn as memory is made of it; undefined where it is gone or nobody said anything. */
export function exchangeOf(db: ReadableDb, turnId: string): Exchange | undefined {
  const turn = findTurn(db, turnId)
  const question = turn?.user_message_id && findMessage(db, turn.user_message_id)
  const answer = turn?.assistant_message_id && findMessage(db, turn.assistant_message_id)
  if (!turn || !question || !answer) return undefined
  const request = turnRequest.parse(JSON.parse(storedRequest(db, turnId)))
  const { scope_key } = loadSession(db, turn.session_id)
  return {
    turn_id: turn.id,
    session_id: turn.session_id,
    agent_id: request.agent_id,
    scope_key,
    channel: request.channel,
    authority: request.authority,
    peer: peerOf(scope_key, request),
    at: turn.created_at,
    status: turn.status,
    // As the model may see it: what was taken out of the message must not come back through the memory.
    question: { message_id: question.id, text: request.model_text },
    answer: { message_id: answer.id, text: isThought(turn) ? cutOutput(answer.content, maxAnswerBytes) : '' },
    tools: listToolCalls(db, turn.id).slice(0, maxTools).map(toolOf),
    skills: findContextPlan(db, turn.id)?.skills.map(({ name }) => name) ?? [],
  }
}

/** What the built-in stand-in says is the same each time, and what it does is in its tools. */
function isThought({ model }: Pick<TurnRow, 'model'>): boolean {
  return model === null || !model.startsWith(`${offlineProvider}/`)
}

function toolOf({ tool_name, status, input, output }: ToolCallRow): Exchange['tools'][number] {
  return {
    name: tool_name,
    status: status === 'running' ? 'unknown' : status,
    input: cutOutput(input, maxToolBytes),
    output: cutOutput(output ?? '', maxToolBytes),
  }
}

/** One id for each person: the same number on two channels is two people. */
function peerOf(
  scopeKey: string,
  { channel, sender_id }: { channel: string; sender_id: string | null },
): Exchange['peer'] {
  if (scopeKey.startsWith('peer:')) return { id: scopeKey.slice('peer:'.length), name: null }
  return sender_id === null || sender_id.trim() === '' ? null : { id: `${channel}:${sender_id}`, name: null }
}
