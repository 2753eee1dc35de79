import type { Config } from '#kernel/config/schema.ts'
import type { ReadableDb } from '#kernel/store/database.ts'
import { earlierMessages, loadMessage, type MessageRow } from '#kernel/store/messages.ts'
import { listSteps } from '#kernel/store/turn-steps.ts'
import type { TurnRow } from '#kernel/store/turns.ts'
import { type Toolbox, toolsFor } from '#kernel/tools/toolbox.ts'
import type { TurnJob, TurnSkills } from '#sdk/services/agent.ts'
import type { TurnRequest } from './turn-request.ts'

/** How many earlier messages are offered to the agent, which shows the model those that fit its budget. */
const maxHistoryMessages = 200
/** The bytes of earlier messages handed over at the most. */
const maxHistoryBytes = 2 * 1024 * 1024

/** Which skills a message calls for, and which else there are. */
export type SkillsFor = (request: Pick<TurnRequest, 'model_text' | 'authority'>) => TurnSkills

/** Everything the agent service needs to begin this turn, or to go on with it. */
export function turnJobOf(
  db: ReadableDb,
  {
    turn,
    attempt,
    request,
    config,
    toolbox,
    skillsFor,
    version,
    deadline,
  }: {
    turn: TurnRow
    attempt: number
    request: TurnRequest
    config: Config
    toolbox: Toolbox
    skillsFor: SkillsFor
    version: string
    deadline: string
  },
): TurnJob {
  const steps = listSteps(db, turn.id)
  const input = loadMessage(db, turn.user_message_id ?? '')
  return {
    turn_id: turn.id,
    attempt,
    session_id: turn.session_id,
    agent: { id: request.agent_id, name: config.agent.name, persona: null },
    model: request.model,
    channel: request.channel,
    authority: request.authority,
    input: { message_id: input.id, text: request.model_text },
    ...historyOf(db, input),
    ...toolsFor(toolbox, request.authority, config.approvals.blocked_tools),
    // A turn that goes on has its context already.
    skills: steps.length > 0 ? { active: [], index: [] } : skillsFor(request),
    limits: {
      max_steps: config.agent.autonomy_max_react_turns,
      deadline,
      max_tokens: request.max_tokens,
      max_cost: request.max_cost,
      model_call_timeout_ms: request.model_call_timeout_ms,
    },
    context_max_tokens: config.context.max_tokens,
    use_cache: request.use_cache,
    version,
    steps,
  }
}

function historyOf(db: ReadableDb, input: MessageRow): Pick<TurnJob, 'history' | 'older_history'> {
  const rows = earlierMessages(db, input, maxHistoryMessages + 1)
  const history: TurnJob['history'] = []
  let bytes = 0
  for (const row of rows.slice(0, maxHistoryMessages)) {
    bytes += Buffer.byteLength(row.content)
    if (bytes > maxHistoryBytes) break
    history.unshift(historyMessage(row))
  }
  return { history, older_history: history.length < rows.length }
}

/** A message as the agent is handed it. */
export function historyMessage(row: MessageRow): TurnJob['history'][number] {
  return { id: row.id, message: { role: modelRole(row), content: row.content } }
}

/** A tool's output kept as a message of its own is shown as something said, since its call is not in the history. */
function modelRole({ role }: MessageRow): 'system' | 'user' | 'assistant' {
  return role === 'tool' ? 'assistant' : role
}
