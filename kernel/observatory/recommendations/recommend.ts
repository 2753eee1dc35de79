import { priority, type Recommendation } from '#sdk/contracts/recommendations.ts'
import { answered, type Behaviour } from './behaviour.ts'
import { modelRules } from './model-rules.ts'
import { usageRules } from './usage-rules.ts'

const rules = [...modelRules, ...usageRules]

export const recommendationIds: ReadonlySet<string> = new Set(rules.map(({ id }) => id))

/** What the rules advise: by priority, then by what it spares. */
export function recommend(behaviour: Behaviour, dismissals: ReadonlyMap<string, string>): Recommendation[] {
  return rules
    .flatMap(({ id, category, fires, remedy }): Recommendation[] => {
      const fired = fires(behaviour)
      if (!fired) return []
      const change = remedy?.(behaviour) ?? null
      return [
        {
          id,
          category,
          ...fired,
          config_change: change === answered ? null : change,
          answered: change === answered,
          dismissed_at: dismissals.get(id) ?? null,
        },
      ]
    })
    .toSorted((left, right) => byPriority(left, right) || savingsOf(right) - savingsOf(left))
}

/** High before low. */
export function byPriority(left: Pick<Recommendation, 'priority'>, right: Pick<Recommendation, 'priority'>): number {
  return priority.options.indexOf(right.priority) - priority.options.indexOf(left.priority)
}

export function savingsOf({ estimated_impact: impact }: Pick<Recommendation, 'estimated_impact'>): number {
  return impact?.monthly_savings ?? 0
}
