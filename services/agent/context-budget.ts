import { estimateTokens, type ModelMessage, textOf } from '#sdk/messages.ts'
import type { ContextPlan, TurnJob } from '#sdk/services/agent.ts'
import { complexityOf, levelOf } from './complexity.ts'

const levelBudgets: Record<ContextPlan['complexity_level'], number> = { L0: 4_000, L1: 8_000, L2: 16_000, L3: 32_000 }
/** Earlier messages get at least this share, however much prompt and tools take. */
const historyShare = 0.3
/** What is remembered gets at most this share of the level's budget. */
const memoryShare = 0.25
/** Kept free of the model's window for its answer: so much, or a quarter of a small window. */
const maxAnswerTokens = 4_096
/** A question may be about the last one and its answer, so these are shown whatever the level, if the window allows. */
const lastExchange = 2
/** What a message costs beside its text. */
export const messageOverhead = 4

export interface ContextBudget {
  complexity_level: ContextPlan['complexity_level']
  complexity_score: number
  /** For everything that is sent. */
  token_budget: number
  /** What the prompt, the tools and the question leave of it. */
  free: number
  /** What memory may take of that; the rest is the history's. */
  memory: number
}

/** Shares a turn's context out. `instructions`: the tokens of the prompt and the tools. */
export function shareContext(job: TurnJob, instructions: number): ContextBudget {
  const complexity_score = complexityOf(job.input.text, job.history.length)
  const complexity_level = levelOf(complexity_score)
  const level = levelBudgets[complexity_level]
  const fixed = instructions + estimateTokens(job.input.text) + messageOverhead
  const latest = job.history.slice(-lastExchange).reduce((sum, { message }) => sum + messageTokens(message), 0)
  const remembered = Math.floor(memoryShare * level)
  const wanted = Math.max(level, Math.ceil((fixed + remembered) / (1 - historyShare)), fixed + remembered + latest)
  const token_budget = Math.max(fixed, Math.min(wanted, job.context_max_tokens - answerTokens(job)))

  const free = token_budget - fixed
  const ofHistory = newestThatFit(job.history, Math.min(free, Math.max(historyShare * token_budget, latest))).tokens
  const memory = Math.min(remembered, Math.floor(memoryShare * token_budget), free - ofHistory)
  return { complexity_level, complexity_score, token_budget, free, memory }
}

/** The newest messages up to the first that does not fit, in order. */
export function newestThatFit(history: TurnJob['history'], room: number): { ids: string[]; tokens: number } {
  const ids: string[] = []
  let tokens = 0
  for (const { id, message } of [...history].reverse()) {
    const more = messageTokens(message)
    if (tokens + more > room) break
    tokens += more
    ids.unshift(id)
  }
  return { ids, tokens }
}

export function answerTokens({ context_max_tokens }: Pick<TurnJob, 'context_max_tokens'>): number {
  return Math.min(maxAnswerTokens, Math.floor(context_max_tokens / 4))
}

export function messageTokens({ content }: ModelMessage): number {
  return estimateTokens(textOf(content)) + messageOverhead
}
