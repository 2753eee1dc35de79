import type { Config } from '#kernel/config/schema.ts'
import { definitionOf, type Toolbox, toolsFor } from '#kernel/tools/toolbox.ts'
import { admitText } from '#kernel/turns/accept-turn.ts'
import type { ReplayChanges } from '#sdk/contracts/replays.ts'
import { timestamp } from '#sdk/ids.ts'
import { instructions, instructionsWithin } from '#sdk/instruction-marks.ts'
import { estimateTokens } from '#sdk/messages.ts'
import type { ContextPlan, TurnJob } from '#sdk/services/agent.ts'
import type { RecordedTurn } from './recorded-turn.ts'

/** A replay is over after so long, however long its turn might have taken, in seconds. */
const maxReplaySeconds = 600
/** A definition's size is known to so many tokens: what is rounded up for one tool is carried to the next. */
const roundingTokens = 1

/** A turn that is to be run again, as the agent service takes it; the attempt and the journal are told with each. */
export interface ReplayPlan {
  job: Omit<TurnJob, 'attempt' | 'steps'>
  plan: ContextPlan
  /** No other model may answer in its place. */
  isPinned: boolean
  notes: string[]
}

/** The recorded turn with what is to be different. What can not be as it was then is noted. */
export function planReplay(
  id: string,
  { turn, request, plan, history, message_id }: RecordedTurn,
  changes: ReplayChanges,
  { config, toolbox, version }: { config: Config; toolbox: Toolbox; version: string },
): ReplayPlan {
  const model = changes.model ?? turn.model ?? request.model
  const system_prompt = changedPrompt(plan.system_prompt, changes)
  const offered = () => toolsFor(toolbox, request.authority, config.approvals.blocked_tools).tools
  const { tools, notes } = toolsOfPlan(plan, toolbox, offered)
  const seconds = Math.min(request.max_seconds, maxReplaySeconds)
  return {
    job: {
      turn_id: id,
      session_id: turn.session_id,
      agent: { id: request.agent_id, name: config.agent.name, persona: null },
      model,
      channel: request.channel,
      authority: request.authority,
      input: {
        message_id,
        text: changes.question === undefined ? request.model_text : admitText(changes.question).sanitized,
      },
      history,
      older_history: plan.left_out.older_history,
      tools,
      tool_origins: {},
      withheld_tools: [],
      skills: { active: [], index: [] },
      limits: {
        max_steps: changes.max_steps ?? config.agent.autonomy_max_react_turns,
        deadline: timestamp(Date.now() + seconds * 1000),
        max_tokens: request.max_tokens,
        max_cost: request.max_cost,
        model_call_timeout_ms: request.model_call_timeout_ms,
      },
      context_max_tokens: config.context.max_tokens,
      use_cache: false,
      version,
    },
    plan: { ...plan, system_prompt, system_prompt_tokens: estimateTokens(system_prompt) },
    isPinned: model !== 'auto',
    notes,
  }
}

function changedPrompt(recorded: string, { system_prompt, append_prompt }: ReplayChanges): string {
  if (system_prompt === undefined && append_prompt === undefined) return recorded
  const parts = [system_prompt ?? instructionsWithin(recorded), append_prompt]
  return instructions(parts.filter((part) => part !== undefined).join('\n\n'))
}

/** The tools that the model was offered then, as they are described now: their descriptions are not on record. */
function toolsOfPlan(
  { tools, tool_definition_tokens }: ContextPlan,
  toolbox: Toolbox,
  offeredNow: () => TurnJob['tools'],
): { tools: TurnJob['tools']; notes: string[] } {
  if (tools.length === 0 && tool_definition_tokens > 0)
    return {
      tools: offeredNow(),
      notes: ['Which tools there were is not on record; those that there would be now are offered.'],
    }
  const known = new Map(toolbox.list().map((tool) => [tool.name, tool]))
  const notes: string[] = []
  const offered = tools.flatMap(({ name, tokens }) => {
    const tool = known.get(name)
    if (!tool) {
      notes.push(`There is no tool ${name} any more; it is not offered.`)
      return []
    }
    const definition = definitionOf(tool)
    const separator = ','
    if (Math.abs(estimateTokens(JSON.stringify(definition) + separator) - tokens) > roundingTokens)
      notes.push(`The tool ${name} is described otherwise than it was then.`)
    return [definition]
  })
  return { tools: offered, notes }
}
