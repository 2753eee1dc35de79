import type { Exchange, SessionFacts } from '#kernel/store/session-facts.ts'
import type { Tip } from '#sdk/contracts/tips.ts'
import { analysisForm } from './answer.ts'
import { harmless, quoted } from './quoted.ts'
import { reviewer, rulesText } from './turn-question.ts'

/** Turns whose words are shown, the newest. */
export const maxTurnsShown = 20
/** Models whose figures are shown, those that answered most. */
const maxModels = 10
/** Characters of each message. */
export const maxMessage = 512
const maxName = 256

export const sessionInstructions = `${reviewer}
You are shown one session: the figures measured over its turns, what fixed rules say of them, and its newest turns in short.
Say how the conversation went, how its cost and quality developed and why, and what should be changed.
${analysisForm}`

export interface SessionMaterial {
  facts: SessionFacts
  insights: readonly Tip[]
  /** Oldest first. */
  turns: readonly Exchange[]
}

/** One session as a model is to see it that reviews it. `place` is known to nobody who wrote a part of it. */
export function sessionQuestion({ facts, insights, turns }: SessionMaterial, place: string): string {
  const models = facts.models
    .toSorted((left, right) => right.turns - left.turns)
    .slice(0, maxModels)
    .map((one) => ({ ...one, model: harmless(one.model, maxName) }))
  return [
    `Figures (dollars, tokens, grades of 5; first and second are means of the halves):\n${JSON.stringify({ ...facts, models })}`,
    rulesText(insights),
    ...turns.flatMap(({ question, answer, ...turn }, index) => [
      `Turn ${facts.turn_count - turns.length + index + 1}: ${turn.status}, ${turn.tokens_in ?? 0} tokens in, ${turn.tokens_out ?? 0} out, ${turn.cost ?? 0} dollars, ${turn.latency_ms ?? 0} ms`,
      quoted('message', question ?? '(gone)', maxMessage, `${place} message ${index}`),
      quoted('answer', answer ?? '(none)', maxMessage, `${place} answer ${index}`),
    ]),
  ].join('\n\n')
}
