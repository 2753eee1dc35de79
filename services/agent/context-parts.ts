import { estimateTokens, type ToolDefinition } from '#sdk/messages.ts'
import type { ContextPlan, TurnJob, TurnSkills } from '#sdk/services/agent.ts'
import { messageTokens } from './context-budget.ts'
import { skillParts } from './skills.ts'

/** So many of a kind that are not shown are named. */
const maxLeftOut = 50

/** Of each tool what it adds to the tokens of the JSON of them all: what is rounded up for one is carried to the next. */
export function toolTokens(tools: readonly ToolDefinition[]): number[] {
  let bytes = '['.length
  let counted = 0
  return tools.map((tool) => {
    bytes += Buffer.byteLength(JSON.stringify(tool)) + ','.length
    const tokens = Math.ceil(bytes / 4) - counted
    counted += tokens
    return tokens
  })
}

type Parts = Pick<ContextPlan, 'history_message_tokens' | 'tools' | 'skill_index' | 'left_out'>

/** What each part of a planned context takes, and what is not in it. */
export function contextParts(
  job: TurnJob,
  {
    skills,
    toolTokens,
    historyIds,
  }: { skills: TurnSkills; toolTokens: readonly number[]; historyIds: readonly string[] },
): Parts {
  const shown = new Set(historyIds)
  const counted = job.history.map(({ id, message }) => ({ id, tokens: messageTokens(message) }))
  const index = skillParts({ active: [], index: skills.index }).join('')
  return {
    history_message_tokens: counted.filter(({ id }) => shown.has(id)).map(({ tokens }) => tokens),
    tools: job.tools.map(({ name }, at) => ({
      name,
      tokens: toolTokens[at] ?? 0,
      origin: job.tool_origins[name] ?? null,
    })),
    skill_index: { count: skills.index.length, tokens: estimateTokens(index) },
    left_out: {
      history: counted
        .filter(({ id }) => !shown.has(id))
        .reverse()
        .slice(0, maxLeftOut),
      older_history: job.older_history,
      skills: skillsLeftOut(job, skills).slice(0, maxLeftOut),
      tools: job.withheld_tools.slice(0, maxLeftOut),
    },
  }
}

/** `budget`: it was called for and did not fit; `not_called_for`: nothing in the message asks for it. */
function skillsLeftOut(job: TurnJob, { active }: TurnSkills): ContextPlan['left_out']['skills'] {
  const chosen = new Set(active.map(({ name }) => name))
  return [
    ...job.skills.active
      .filter(({ name }) => !chosen.has(name))
      .map(({ name, body }) => ({ name, tokens: estimateTokens(body), reason: 'budget' })),
    ...job.skills.index.map(({ name }) => ({ name, tokens: null, reason: 'not_called_for' })),
  ]
}
