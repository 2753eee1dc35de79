import type { z } from 'zod'
import type { ReadableDb } from '#kernel/store/database.ts'
import { quotient } from '#kernel/store/statistics/quotient.ts'
import { type RoutingQuestion, type RoutingRow, routingRows } from '#kernel/store/statistics/routing-rows.ts'
import type { routingEvaluation, routingVerdict } from '#sdk/contracts/models.ts'
import {
  type AccuracyFloor,
  isBelowFloor,
  type ModelFeatures,
  metascoreOf,
  type RoutingWeights,
} from '#sdk/routing/metascore.ts'

export type ProposedWeights = RoutingWeights & AccuracyFloor
export type RoutingEvaluation = z.infer<typeof routingEvaluation>
type Verdict = z.infer<typeof routingVerdict>

/**
 * Chooses again, with other weights, among the candidates of past choices and by what was known of them then. Choices that
 * weights had no part in are passed over: those of an operator, a canary or the cache, and those without a usable model.
 */
export function evaluateRouting(
  db: ReadableDb,
  { weights, ...question }: RoutingQuestion & { weights: ProposedWeights },
): RoutingEvaluation {
  const { rows, total } = routingRows(db, question)
  const verdicts = rows.flatMap((row) => judge(row, weights) ?? [])
  const sum = (of: (verdict: Verdict) => number) => verdicts.reduce((all, verdict) => all + of(verdict), 0)
  const count = (verdict: Verdict['verdict']) => verdicts.filter((one) => one.verdict === verdict).length
  const changed_rows = verdicts.length - count('same')
  return {
    rows_considered: verdicts.length,
    summary: {
      total_rows: total,
      passed_over: rows.length - verdicts.length,
      weights,
      changed_rows,
      agreement: verdicts.length === 0 ? 1 : 1 - changed_rows / verdicts.length,
      better: count('better'),
      worse: count('worse'),
      trade: count('trade'),
      selected_cost: sum(({ selected_cost }) => selected_cost),
      proposed_cost: sum(({ proposed_cost }) => proposed_cost),
      selected_efficacy: quotient(
        sum(({ selected_efficacy }) => selected_efficacy),
        verdicts.length,
      ),
      proposed_efficacy: quotient(
        sum(({ proposed_efficacy }) => proposed_efficacy),
        verdicts.length,
      ),
      proposed_by_model: Object.fromEntries(
        [...Map.groupBy(verdicts, ({ proposed_model }) => proposed_model)].map(([model, ofModel]) => [
          model,
          ofModel.length,
        ]),
      ),
    },
    verdicts,
  }
}

function judge(row: RoutingRow, weights: ProposedWeights): Verdict | undefined {
  const selected = row.features[row.selected_model]
  if (!selected || row.override_model !== null || row.strategy.startsWith('cached_')) return undefined
  const eligible = row.candidates.flatMap((candidate) => {
    const features = row.features[candidate.model]
    return features && mayBeChosen(candidate) ? [{ model: candidate.model, features }] : []
  })
  if (eligible.length === 0) return undefined
  const [chosen] = eligible
    .filter(({ features }) => !isBelowFloor(features, weights))
    .map((one) => ({ ...one, metascore: metascoreOf(one.features, weights) }))
    .sort((left, right) => right.metascore - left.metascore)
  // Where none passes the floor, the router falls back on the primary.
  const proposed_model = chosen?.model ?? row.primary_model
  const proposed = chosen?.features ?? row.features[row.primary_model] ?? selected
  const selected_cost = costOf(selected, row)
  const proposed_cost = costOf(proposed, row)
  return {
    turn_id: row.turn_id,
    created_at: row.created_at,
    complexity: row.complexity,
    selected_model: row.selected_model,
    proposed_model,
    verdict:
      proposed_model === row.selected_model
        ? 'same'
        : compare(proposed_cost - selected_cost, proposed.efficacy - selected.efficacy),
    selected_cost,
    proposed_cost,
    selected_efficacy: selected.efficacy,
    proposed_efficacy: proposed.efficacy,
    grade: row.grade,
  }
}

/** Nothing spoke against it but its record, which other weights may see otherwise. */
function mayBeChosen({ usable, quality_gated, note }: RoutingRow['candidates'][number]): boolean {
  return usable || (quality_gated === true && note.startsWith('quality '))
}

/** What the tokens that were used would cost. */
function costOf({ input_price, output_price }: ModelFeatures, row: RoutingRow): number {
  return input_price * row.tokens_in + output_price * row.tokens_out
}

function compare(dearer: number, stronger: number): Verdict['verdict'] {
  if (dearer <= 0 && stronger >= 0) return 'better'
  return dearer >= 0 && stronger <= 0 ? 'worse' : 'trade'
}
