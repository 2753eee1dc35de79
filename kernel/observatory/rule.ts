import type { Tip } from '#sdk/contracts/tips.ts'

/** One thing that can be told from facts. `needs` names what must be known of them; the rest may then be 0. */
export interface Rule<Facts, Need extends string> {
  name: string
  category: Tip['category']
  needs: readonly Need[]
  /** Undefined where there is nothing to say. */
  fires: (facts: Facts) => Pick<Tip, 'severity' | 'message' | 'suggestion'> | undefined
}

/** What the rules say of these facts, in the rules' order; those that need what is not known are passed over. */
export function tipsBy<Facts, Need extends string>(
  rules: readonly Rule<Facts, Need>[],
  facts: Facts,
  isKnown: Record<Need, (facts: Facts) => boolean>,
): Tip[] {
  return rules
    .filter(({ needs }) => needs.every((need) => isKnown[need](facts)))
    .flatMap(({ name, category, fires }) => {
      const fired = fires(facts)
      return fired ? [{ ...fired, category, rule_name: name }] : []
    })
}
