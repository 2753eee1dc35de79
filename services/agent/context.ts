import { estimateTokens, type ModelMessage, textOf } from '#sdk/messages.ts'
import type { ContextPlan, TurnJob } from '#sdk/services/agent.ts'
import { withoutMarks } from './boundaries.ts'
import { complexityOf, levelOf } from './complexity.ts'
import { chooseSkills } from './skills.ts'
import { systemPrompt } from './system-prompt.ts'

const levelBudgets: Record<ContextPlan['complexity_level'], number> = { L0: 4_000, L1: 8_000, L2: 16_000, L3: 32_000 }
/** Earlier messages get at least this share, however much prompt and tools take. */
const historyShare = 0.3
/** Kept free of the model's window for its answer: so much, or a quarter of a small window. */
const maxAnswerTokens = 4_096
/** A question may be about the last one and its answer, so these are shown whatever the level, if the window allows. */
const lastExchange = 2
/** What a message costs beside its text. */
const messageOverhead = 4

export function answerTokens({ context_max_tokens }: Pick<TurnJob, 'context_max_tokens'>): number {
  return Math.min(maxAnswerTokens, Math.floor(context_max_tokens / 4))
}

/** Decides what of the conversation the model is shown: newest first while it fits. The prompt and the question always do. */
export function planContext(job: TurnJob, now: number): ContextPlan {
  const skills = chooseSkills(job)
  const prompt = systemPrompt(job, skills, now)
  const system_prompt_tokens = estimateTokens(prompt)
  const tool_definition_tokens = job.tools.length === 0 ? 0 : estimateTokens(JSON.stringify(job.tools))
  const complexity_score = complexityOf(job.input.text, job.history.length)
  const complexity_level = levelOf(complexity_score)
  const fixed = system_prompt_tokens + tool_definition_tokens + estimateTokens(job.input.text) + messageOverhead
  const latest = job.history.slice(-lastExchange).reduce((sum, { message }) => sum + tokensOf(message), 0)
  const wanted = Math.max(levelBudgets[complexity_level], Math.ceil(fixed / (1 - historyShare)), fixed + latest)
  const token_budget = Math.max(fixed, Math.min(wanted, job.context_max_tokens - answerTokens(job)))

  const shown: string[] = []
  let history_tokens = 0
  for (const { id, message } of [...job.history].reverse()) {
    const tokens = tokensOf(message)
    if (fixed + history_tokens + tokens > token_budget) break
    history_tokens += tokens
    shown.unshift(id)
  }
  return {
    complexity_level,
    complexity_score,
    token_budget,
    system_prompt: prompt,
    system_prompt_tokens,
    memory_tokens: 0,
    history_tokens,
    tool_definition_tokens,
    history_message_ids: shown,
    dropped_history: job.history.length - shown.length,
    skills: skills.active.map(({ body, ...skill }) => ({ ...skill, tokens: estimateTokens(body) })),
  }
}

/** The conversation as planned, up to and with the question. */
export function plannedMessages(plan: ContextPlan, job: TurnJob): ModelMessage[] {
  const shown = new Set(plan.history_message_ids)
  return [
    { role: 'system', content: plan.system_prompt },
    ...job.history.filter(({ id }) => shown.has(id)).map(({ message }) => unmarked(message)),
    { role: 'user', content: withoutMarks(job.input.text) },
  ]
}

function tokensOf({ content }: ModelMessage): number {
  return estimateTokens(textOf(content)) + messageOverhead
}

function unmarked(message: ModelMessage): ModelMessage {
  const { content } = message
  if (typeof content === 'string') return { ...message, content: withoutMarks(content) }
  return {
    ...message,
    content: content.map((part) => (part.type === 'text' ? { ...part, text: withoutMarks(part.text) } : part)),
  }
}
