import type { TurnFacts } from '#kernel/store/turn-facts.ts'
import type { Tip } from '#sdk/contracts/tips.ts'
import { tipsBy } from '../rule.ts'
import { type MeasuredTurn, type TurnNeed, turnRules } from './turn-rules.ts'

const noSnapshot: MeasuredTurn['snapshot'] = {
  turn_id: '',
  complexity_level: 'L1',
  complexity_score: 0,
  token_budget: 0,
  system_prompt_tokens: 0,
  memory_tokens: 0,
  history_tokens: 0,
  history_depth: 0,
  tool_definition_tokens: 0,
  dropped_history: 0,
  created_at: '',
}

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
