import type { Payer } from '#kernel/budgets/payer.ts'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { CostLedger } from '#kernel/inference/cost-ledger.ts'
import { findAnalysis, listDismissals, removeDismissal, saveAnalysis, saveDismissal } from '#kernel/store/analyses.ts'
import type { Store } from '#kernel/store/store.ts'
import type { recommendationsRoutes } from '#sdk/contracts/recommendations.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { RouteQuery, RouteResponse } from '#sdk/route.ts'
import type { Analyst } from '../analysis/analyst.ts'
import { sinceOfPeriod } from '../statistics/since-of-period.ts'
import { type Behaviour, behaviourOf } from './behaviour.ts'
import { answerOfRules, deepAnswer, deepInstructions, deepMarkdown, deepQuestion } from './deep-set.ts'
import { recommend, recommendationIds, savingsOf } from './recommend.ts'

type Routes = typeof recommendationsRoutes
type Period = RouteQuery<Routes['listRecommendations']>['period']

/** The longest answer, in tokens. */
const maxAnswer = 2_200

export interface RecommendationsDeps {
  store: Store
  costs: Pick<CostLedger, 'flush'>
  config: Pick<LiveConfig, 'current'>
  analyst: Analyst
}

/** What rules and a model advise, by how Keel was used in a period. */
export class Recommendations {
  readonly #deps: RecommendationsDeps

  constructor(deps: RecommendationsDeps) {
    this.#deps = deps
  }

  async list({
    period,
    dismissed,
  }: RouteQuery<Routes['listRecommendations']>): Promise<RouteResponse<Routes['listRecommendations']>> {
    const behaviour = await this.#behaviour(period)
    const all = recommend(behaviour, listDismissals(this.#deps.store.read))
    const recommendations = dismissed ? all : all.filter(({ dismissed_at }) => dismissed_at === null)
    return {
      period,
      profile: behaviour.profile,
      recommendations,
      count: recommendations.length,
      deep: this.#newestDeepSet(period),
    }
  }

  /** Throws `not_found` for what no rule advises. */
  dismiss(id: string): void {
    requireRule(id)
    saveDismissal(this.#deps.store.write, id)
  }

  restore(id: string): void {
    requireRule(id)
    removeDismissal(this.#deps.store.write, id)
  }

  generate(
    period: Period,
    { payer, signal }: { payer: Payer; signal: AbortSignal },
  ): Promise<RouteResponse<Routes['generateRecommendations']>> {
    return this.#deps.analyst.inPlace(signal, async () => {
      const { store, analyst } = this.#deps
      const behaviour = await this.#behaviour(period)
      const rules = recommend(behaviour, listDismissals(store.read)).filter(({ dismissed_at }) => dismissed_at === null)
      const asked = await analyst.ask(
        {
          purpose: 'recommendations',
          instructions: deepInstructions,
          text: deepQuestion(behaviour, rules),
          answer: deepAnswer,
          maxAnswer,
          turn_id: null,
          account: payer,
        },
        signal,
      )
      const { answer, reason, model, tokens_in, tokens_out, cost } = asked
      const created_at =
        answer === null
          ? timestamp()
          : saveAnalysis(store.write, {
              kind: 'recommendations',
              subject_id: period,
              turn_id: null,
              session_id: null,
              basis: '',
              result_json: JSON.stringify(answer),
              ...{ model, tokens_in, tokens_out, cost },
            }).created_at
      const told = answer ?? answerOfRules(rules)
      const text = deepMarkdown(told)
      return {
        status: 'complete',
        heuristic_recommendations: rules,
        deep_analysis: text,
        message: text,
        actions: told.recommendations.map(({ action }) => action),
        deep_recommendations: answer?.recommendations ?? [],
        // A model's figures are words: money is told by the rules alone.
        summary: { estimated_monthly_savings: rules.reduce((sum, one) => sum + savingsOf(one), 0) },
        analysis_model: model,
        reason,
        ...{ tokens_in, tokens_out, cost, created_at },
        profile: behaviour.profile,
      }
    })
  }

  async #behaviour(period: Period): Promise<Behaviour> {
    const { store, costs, config } = this.#deps
    costs.flush()
    const now = Date.now()
    const since = sinceOfPeriod(period, now)
    return behaviourOf(await store.pool.run('periodUsage', { since }), { config: config.current(), since, now })
  }

  #newestDeepSet(period: Period): RouteResponse<Routes['listRecommendations']>['deep'] {
    const row = findAnalysis(this.#deps.store.read, { kind: 'recommendations', subject_id: period })
    const answer = row && deepAnswer.safeParse(JSON.parse(row.result_json)).data
    return row && answer ? { ...answer, analysis_model: row.model, created_at: row.created_at } : null
  }
}

function requireRule(id: string): void {
  if (!recommendationIds.has(id)) throw new RuntimeError('not_found', `no recommendation ${id}`)
}
