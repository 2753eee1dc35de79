import type { ContextPlan } from '#sdk/services/agent.ts'

interface Sign {
  weight: number
  /** How many of these count in full. */
  full: number
  count: (text: string) => number
}

const matches = (pattern: RegExp) => (text: string) => text.match(pattern)?.length ?? 0

/** What makes a request hard, beside the length of the conversation. */
const signs: readonly Sign[] = [
  { weight: 0.2, full: 2_000, count: (text) => text.length },
  { weight: 0.15, full: 4, count: matches(/\?/g) },
  {
    weight: 0.2,
    full: 4,
    count: matches(/(?:^|\n)\s*(?:\d+[.)]|[-*])\s|\b(?:then|after that|finally|first|next)\b/gi),
  },
  { weight: 0.15, full: 2, count: matches(/```|\bfunction\b|\bclass\b|=>|\bSELECT\b/g) },
  { weight: 0.1, full: 4, count: matches(/\b(?:must|should|only|without|at least|at most|exactly|never|always)\b/gi) },
  {
    weight: 0.05,
    full: 1,
    count: matches(/https?:\/\/|\b(?:fetch|search|look up|read|write|edit|save|list|open|run)\b/gi),
  },
  {
    weight: 0.15,
    full: 2,
    count: matches(/\b(?:analy[sz]e|compare|prove|design|refactor|debug|explain why|plan|derive|optimi[sz]e)\b/gi),
  },
]

const deepConversation = 20

/** 0 to 1: how hard a message is, by its own form and by the depth of what came before. */
export function complexityOf(text: string, historyDepth: number): number {
  const own = signs.reduce((sum, { weight, full, count }) => sum + weight * Math.min(1, count(text) / full), 0)
  const depth = 0.1 * Math.min(1, historyDepth / deepConversation)
  return Math.round(Math.min(1, own + depth) * 1000) / 1000
}

export function levelOf(score: number): ContextPlan['complexity_level'] {
  if (score < 0.3) return 'L0'
  if (score < 0.6) return 'L1'
  return score < 0.9 ? 'L2' : 'L3'
}
