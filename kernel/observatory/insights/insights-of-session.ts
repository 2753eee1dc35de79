import type { SessionFacts } from '#kernel/store/session-facts.ts'
import type { Tip } from '#sdk/contracts/tips.ts'
import { tipsBy } from '../rule.ts'
import { type SessionNeed, sessionRules } from './session-rules.ts'

const isKnown: Record<SessionNeed, (session: SessionFacts) => boolean> = {
  snapshots: ({ snapshots }) => snapshots > 0,
  grades: ({ grades }) => grades.count > 0,
}

/** What the rules say of a session. */
export function insightsOfSession(facts: SessionFacts): Tip[] {
  return tipsBy(sessionRules, facts, isKnown)
}
