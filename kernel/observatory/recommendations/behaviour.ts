import type { Config } from '#kernel/config/schema.ts'
import type { PeriodUsage } from '#kernel/store/statistics/period-usage.ts'
import type { BehaviourProfile, Recommendation } from '#sdk/contracts/recommendations.ts'
import { isOffline } from '../analysis/cheapest-model.ts'

const dayMs = 86_400_000
/** Savings are told for so many days. */
const toldDays = 30
/** A shorter time is not drawn out to a month, in days, unless a shorter period was asked for. */
const leastDays = 1

export interface ModelUse {
  model: string
  turns: number
  avg_cost: number
  avg_output_density: number
}

/** How Keel was used in a period, as the rules see it. Money in dollars, of turns alone. */
export interface Behaviour {
  profile: BehaviourProfile
  /** Language models that answered. */
  models: ModelUse[]
  turn_cost: number
  mean_turn_cost: number
  /** Which part of what was sent was the system prompt's, 0 to 1; null without a record. */
  system_prompt_share: number | null
  config: Config
  /** Makes dollars of the period dollars of 30 days. */
  monthly: (amount: number) => number
}

/** `since` is the beginning of the period, null of all time. */
export function behaviourOf(
  usage: PeriodUsage,
  { config, since, now }: { config: Config; since: string | null; now: number },
): Behaviour {
  const { first_call_at, prompt_shares, ...profile } = usage
  const models = Object.entries(profile.model_stats)
    .filter(([model, { turns }]) => turns > 0 && !isOffline(model))
    .map(([model, { turns, avg_cost, avg_output_density }]) => ({ model, turns, avg_cost, avg_output_density }))
  const turn_cost = models.reduce((sum, { turns, avg_cost }) => sum + turns * avg_cost, 0)
  const sent = Object.values(prompt_shares).reduce((sum, share) => sum + share, 0)
  const days = windowDays({ since, first_call_at, now })
  return {
    profile,
    models,
    turn_cost,
    mean_turn_cost: profile.total_turns === 0 ? 0 : turn_cost / profile.total_turns,
    system_prompt_share: sent === 0 ? null : prompt_shares.system_prompt,
    config,
    monthly: (amount) => (amount * toldDays) / days,
  }
}

/** The days that the figures are really of: from the first call in the period on. */
function windowDays({
  since,
  first_call_at,
  now,
}: {
  since: string | null
  first_call_at: string | null
  now: number
}): number {
  const asked = since === null ? Number.POSITIVE_INFINITY : (now - Date.parse(since)) / dayMs
  const used = first_call_at === null ? 0 : (now - Date.parse(first_call_at)) / dayMs
  return Math.min(asked, Math.max(used, leastDays))
}

/** The settings are that way already. */
export const answered = 'answered'

export interface RecommendationRule {
  id: string
  category: Recommendation['category']
  /** Undefined where there is nothing to advise. */
  fires: (
    behaviour: Behaviour,
  ) =>
    | Pick<Recommendation, 'priority' | 'title' | 'explanation' | 'action' | 'evidence' | 'estimated_impact'>
    | undefined
  /** The change of the settings that would do it, where one would. */
  remedy?: (behaviour: Behaviour) => Recommendation['config_change'] | typeof answered
}

/** Dollars of the period that could be spared, told for 30 days. */
export function savings(
  { monthly }: Behaviour,
  amount: number,
  description: string,
  quality_change: string | null = null,
): Recommendation['estimated_impact'] {
  return { monthly_savings: monthly(amount), quality_change, description }
}
