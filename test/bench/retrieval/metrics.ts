import type { Question } from './conversation.ts'

/** How well questions found their evidence, from 0 to 1. */
export interface Quality {
  /** Of a question's evidence, the share among the first five and ten; the mean over all questions. */
  recall5: number
  recall10: number
  /** 1 / the place of the first evidence, 0 where it is not among the first hundred; the mean. */
  mrr: number
  questions: number
}

/** The lines that a search found, best first. */
export type Answered = { question: Question; found: readonly string[] }

export function qualityOf(answered: readonly Answered[]): Quality {
  return {
    recall5: mean(answered, (answer) => recallAt(answer, 5)),
    recall10: mean(answered, (answer) => recallAt(answer, 10)),
    mrr: mean(answered, reciprocalRank),
    questions: answered.length,
  }
}

function recallAt({ question: { evidence }, found }: Answered, count: number): number {
  const first = new Set(found.slice(0, count))
  return evidence.filter((id) => first.has(id)).length / evidence.length
}

function reciprocalRank({ question: { evidence }, found }: Answered): number {
  const place = found.findIndex((id) => evidence.includes(id))
  return place === -1 ? 0 : 1 / (place + 1)
}

function mean(answered: readonly Answered[], value: (answer: Answered) => number): number {
  return answered.reduce((sum, answer) => sum + value(answer), 0) / Math.max(1, answered.length)
}
