import type { TurnFacts } from '#kernel/store/turn-facts.ts'
import { noSnapshot } from '#kernel/store/turn-steps.ts'
import type { Tip } from '#sdk/contracts/tips.ts'
import { tipsBy } from '../rule.ts'
import { type MeasuredTurn, type TurnNeed, turnRules } from './turn-rules.ts'

const isKnown: Record<TurnNeed, (turn: MeasuredTurn) => boolean> = {
  snapshot: ({ snapshot }) => snapshot !== noSnapshot,
  budget: ({ snapshot }) => snapshot.token_budget > 0,
  tokens: ({ turn }) => (turn.tokens_in ?? 0) > 0,
}

/** What the rules say of a turn. Nothing of one that no model was asked in, or that is not over. */
export function tipsOfTurn({ snapshot, ...facts }: TurnFacts): Tip[] {
  const { status } = facts.turn
  if (status === 'appended' || status === 'running') return []
  return tipsBy(turnRules, { ...facts, snapshot: snapshot ?? noSnapshot }, isKnown)
}
