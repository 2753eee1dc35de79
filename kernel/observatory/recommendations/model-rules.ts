import { count, dollars, percent } from '../figures.ts'
import { type Behaviour, type ModelUse, type RecommendationRule, savings } from './behaviour.ts'
import { costAwareRouting, mostUsedFirst, preferBetter } from './config-change.ts'

/** Rules about which model answers. */
export const modelRules: readonly RecommendationRule[] = [
  {
    id: 'pareto_optimal_models',
    category: 'ModelSelection',
    fires(behaviour) {
      const pair = worstPair(behaviour)
      if (!pair) return undefined
      const { better, worse } = pair
      return {
        priority: 'High',
        title: `${better.model} does at least as well as ${worse.model} for less`,
        explanation: `${figures(worse)}; ${figures(better)}. There is no measure by which the first is better.`,
        action: `Have ${better.model} answer in place of ${worse.model}.`,
        evidence: [evidenceOf(worse), evidenceOf(better)],
        estimated_impact: savings(behaviour, pair.spared, `About 30% of what ${worse.model} costs.`),
      }
    },
    remedy(behaviour) {
      const pair = worstPair(behaviour)
      return pair ? preferBetter(behaviour, pair.better.model, pair.worse.model) : null
    },
  },
  {
    id: 'complexity_mismatch',
    category: 'ModelSelection',
    fires(behaviour) {
      const [dearest] = behaviour.models
        .filter(({ avg_cost, avg_output_density }) => avg_cost > 0.02 && avg_output_density < 0.15)
        .toSorted((left, right) => right.avg_cost * right.turns - left.avg_cost * left.turns)
      if (!dearest) return undefined
      return {
        priority: 'High',
        title: `${dearest.model} is dear for how little it is asked to write`,
        explanation: `${figures(dearest)}: much is sent to a strong model, and little comes back.`,
        action: 'Let a cheaper model answer short questions, and keep this one for hard ones.',
        evidence: [evidenceOf(dearest)],
        estimated_impact: savings(
          behaviour,
          0.5 * dearest.avg_cost * dearest.turns,
          `About half of what ${dearest.model} costs.`,
        ),
      }
    },
    remedy: costAwareRouting,
  },
  {
    id: 'model_strengths',
    category: 'ModelSelection',
    fires({ profile, models }) {
      const seasoned = models.filter(({ turns }) => turns >= 5)
      if (seasoned.length < 2 || profile.total_turns < 20) return undefined
      const [densest] = seasoned.toSorted((left, right) => right.avg_output_density - left.avg_output_density)
      const [cheapest] = seasoned.toSorted((left, right) => left.avg_cost - right.avg_cost)
      if (!densest || !cheapest || densest.model === cheapest.model) return undefined
      return {
        priority: 'Low',
        title: `${densest.model} writes most, ${cheapest.model} costs least`,
        explanation: `${figures(densest)}; ${figures(cheapest)}.`,
        action: `Use ${densest.model} where much is to be written and ${cheapest.model} for the rest.`,
        evidence: [evidenceOf(densest), evidenceOf(cheapest)],
        estimated_impact: null,
      }
    },
  },
  {
    id: 'fallback_chain_tuning',
    category: 'Configuration',
    fires({ profile, models }) {
      const mostUsed = mostUsedOf(models)
      const turns = models.reduce((sum, one) => sum + one.turns, 0)
      if (!mostUsed || models.length < 2 || profile.total_turns < 20) return undefined
      const share = (turns - mostUsed.turns) / turns
      if (share <= 0.3) return undefined
      return {
        priority: 'High',
        title: `${percent(share)} of the turns were not answered by the model that answers most`,
        explanation: `${mostUsed.model} answered ${mostUsed.turns} of ${turns} turns; the others went to ${count(models.length - 1, 'other model')}.`,
        action:
          'Look why the first choice was passed over (keel doctor, the selections), and order the chain accordingly.',
        evidence: models
          .toSorted((left, right) => right.turns - left.turns)
          .map(({ model, turns: own }) => ({ metric: model, value: `${own}`, context: 'turns answered' })),
        estimated_impact: null,
      }
    },
    remedy(behaviour) {
      const mostUsed = mostUsedOf(behaviour.models)
      return mostUsed ? mostUsedFirst(behaviour, mostUsed) : null
    },
  },
  {
    id: 'high_cost_per_turn',
    category: 'Configuration',
    fires(behaviour) {
      const { profile, mean_turn_cost: mean, turn_cost } = behaviour
      if (profile.total_turns < 5 || mean <= 0.05) return undefined
      return {
        priority: mean > 0.1 ? 'High' : 'Medium',
        title: `A turn costs ${dollars(mean)} on average`,
        explanation: `${count(profile.total_turns, 'turn')} cost ${dollars(turn_cost)}.`,
        action: 'Have the router weigh the cost of a model, and add a cheaper one to the chain.',
        evidence: [
          { metric: 'mean_turn_cost', value: dollars(mean), context: `over ${count(profile.total_turns, 'turn')}` },
        ],
        estimated_impact: savings(behaviour, 0.3 * turn_cost, 'About 30% of what turns cost.'),
      }
    },
    remedy: costAwareRouting,
  },
]

interface Pair {
  better: ModelUse
  worse: ModelUse
  /** Dollars of the period. */
  spared: number
}

/** Of the pairs in which one is no worse in cost and density and better in one, that which costs most. */
function worstPair({ models }: Behaviour): Pair | undefined {
  return models
    .flatMap((worse) =>
      models
        .filter((better) => better !== worse && dominates(better, worse))
        .map((better) => ({ better, worse, spared: 0.3 * worse.avg_cost * worse.turns })),
    )
    .toSorted(
      (left, right) =>
        right.spared - left.spared ||
        left.better.avg_cost - right.better.avg_cost ||
        right.better.avg_output_density - left.better.avg_output_density,
    )[0]
}

function dominates(better: ModelUse, worse: ModelUse): boolean {
  const cheaper = worse.avg_cost - better.avg_cost
  const denser = better.avg_output_density - worse.avg_output_density
  return cheaper >= 0 && denser >= 0 && cheaper + denser > 0
}

function mostUsedOf(models: readonly ModelUse[]): ModelUse | undefined {
  return models.toSorted((left, right) => right.turns - left.turns)[0]
}

function figures({ model, turns, avg_cost, avg_output_density: density }: ModelUse): string {
  return `${model} costs ${dollars(avg_cost)} a turn and writes ${density.toFixed(2)} tokens for each one sent (${count(turns, 'turn')})`
}

function evidenceOf({ model, turns, avg_cost, avg_output_density: density }: ModelUse) {
  return {
    metric: model,
    value: dollars(avg_cost),
    context: `mean cost of a turn; output density ${density.toFixed(2)}, ${count(turns, 'turn')}`,
  }
}
