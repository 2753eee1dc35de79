import { textOf } from '#sdk/messages.ts'
import type { InferenceRequest } from '#sdk/services/inference.ts'

const steps = /^\s*(\d+[.)]|[-*])\s+/gm
const constraints = /\b(must|should|only|exactly|at least|at most|without|never|always|ensure|except)\b/gi
const hardWork =
  /\b(prove|derive|design|architect|refactor|debug|optimi[sz]e|analy[sz]e|compare|evaluate|implement|plan|why|trade-?offs?)\b/gi
/** Only so much of a text is looked at, in characters. */
const maxScanned = 20_000

/** How hard a request is, 0 to 1, told from its text: length, questions, steps, constraints, code, tools, depth. */
export function complexityOf({ messages, tools, complexity }: InferenceRequest): number {
  if (complexity !== undefined) return complexity
  const last = messages.findLast(({ role }) => role === 'user')
  const text = last ? textOf(last.content).slice(0, maxScanned) : ''
  const hasImages = last !== undefined && typeof last.content !== 'string'
  const depth = messages.filter(({ role }) => role !== 'system').length
  const toolAnswers = messages.filter(({ role }) => role === 'tool').length
  const score =
    0.3 * share(text.length, 2_000) +
    0.1 * share(count(text, /\?/g) - 1, 3) +
    0.12 * share(count(text, steps), 5) +
    0.1 * share(count(text, constraints), 5) +
    0.2 * share(count(text, hardWork), 3) +
    0.15 * share(count(text, /```/g), 2) +
    0.08 * share(tools.length, 10) +
    0.1 * share(toolAnswers, 5) +
    0.1 * share(depth, 20) +
    (hasImages ? 0.1 : 0)
  return Math.min(score, 1)
}

function share(value: number, full: number): number {
  return Math.min(Math.max(value / full, 0), 1)
}

function count(text: string, shape: RegExp): number {
  return text.match(shape)?.length ?? 0
}
