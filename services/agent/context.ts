import { withoutMarks } from '#sdk/boundaries.ts'
import { estimateTokens, type ModelMessage } from '#sdk/messages.ts'
import type { ContextPlan, TurnJob, TurnSkills } from '#sdk/services/agent.ts'
import { type ContextBudget, messageOverhead, newestThatFit, shareContext } from './context-budget.ts'
import { contextParts, toolTokens } from './context-parts.ts'
import { planMemory, type Recollection } from './memory.ts'
import { chooseSkills } from './skills.ts'
import { systemPrompt } from './system-prompt.ts'

/** What is the same whatever is remembered. */
interface Frame {
  skills: TurnSkills
  prompt: string
  system_prompt_tokens: number
  /** Of each tool, in their order. */
  tool_tokens: number[]
  tool_definition_tokens: number
  budget: ContextBudget
}

function frameOf(job: TurnJob, now: number): Frame {
  const skills = chooseSkills(job)
  const prompt = systemPrompt(job, skills, now)
  const system_prompt_tokens = estimateTokens(prompt)
  const tool_tokens = toolTokens(job.tools)
  const tool_definition_tokens = tool_tokens.reduce((sum, tokens) => sum + tokens, 0)
  const budget = shareContext(job, system_prompt_tokens + tool_definition_tokens)
  return { skills, prompt, system_prompt_tokens, tool_tokens, tool_definition_tokens, budget }
}

/** How much may be recalled for a turn, and which messages its model sees however much that turns out to be. */
export function roomForMemory(job: TurnJob, now: number): { budget_tokens: number; shown_message_ids: string[] } {
  const { budget } = frameOf(job, now)
  const { ids } = newestThatFit(job.history, budget.free - budget.memory)
  return { budget_tokens: budget.memory, shown_message_ids: [...ids, job.input.message_id] }
}

/**
 * Decides what the model is shown: what is remembered within its share, then the conversation, newest first while it
 * fits. The prompt and the question always are.
 */
export function planContext(job: TurnJob, recollection: Recollection, now: number): ContextPlan {
  const { skills, prompt, system_prompt_tokens, tool_tokens, tool_definition_tokens, budget } = frameOf(job, now)
  const { memory, tokens: memory_tokens } = planMemory(recollection, budget.memory)
  const { ids, tokens: history_tokens } = newestThatFit(job.history, budget.free - memory_tokens)
  return {
    complexity_level: budget.complexity_level,
    complexity_score: budget.complexity_score,
    token_budget: budget.token_budget,
    system_prompt: prompt,
    system_prompt_tokens,
    memory_tokens,
    history_tokens,
    tool_definition_tokens,
    history_message_ids: ids,
    dropped_history: job.history.length - ids.length,
    skills: skills.active.map(({ body, ...skill }) => ({ ...skill, tokens: estimateTokens(body) })),
    memory,
    question_tokens: estimateTokens(job.input.text) + messageOverhead,
    ...contextParts(job, { skills, toolTokens: tool_tokens, historyIds: ids }),
  }
}

/**
 * The conversation as planned, up to and with the question. Memory stands right before that: what comes earlier stays
 * the same from turn to turn, and providers keep it. It is a user's message because it is not ours to instruct with,
 * and because some providers move every system message to the front.
 */
export function plannedMessages(plan: ContextPlan, job: TurnJob): ModelMessage[] {
  const shown = new Set(plan.history_message_ids)
  const remembered: ModelMessage[] = plan.memory.text === '' ? [] : [{ role: 'user', content: plan.memory.text }]
  return [
    { role: 'system', content: plan.system_prompt },
    ...job.history.filter(({ id }) => shown.has(id)).map(({ message }) => unmarked(message)),
    ...remembered,
    { role: 'user', content: withoutMarks(job.input.text) },
  ]
}

function unmarked(message: ModelMessage): ModelMessage {
  const { content } = message
  if (typeof content === 'string') return { ...message, content: withoutMarks(content) }
  return {
    ...message,
    content: content.map((part) => (part.type === 'text' ? { ...part, text: withoutMarks(part.text) } : part)),
  }
}
