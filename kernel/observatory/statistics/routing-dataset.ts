import type { z } from 'zod'
import type { ReadableDb } from '#kernel/store/database.ts'
import { type RoutingQuestion, routingRows } from '#kernel/store/statistics/routing-rows.ts'
import type { routingDataset as dataset } from '#sdk/contracts/models.ts'

export type RoutingDataset = z.infer<typeof dataset>

const redacted = '[redacted]'

/** Choices of models with what came of them, for tuning elsewhere. What people wrote is left out unless it is asked for. */
export function routingDataset(
  db: ReadableDb,
  { include_user_excerpt, ...question }: RoutingQuestion & { include_user_excerpt: boolean },
): RoutingDataset {
  const { rows, total } = routingRows(db, question)
  const byModel = Map.groupBy(rows, ({ executed_model, selected_model }) => executed_model ?? selected_model)
  return {
    rows: rows.map(
      ({
        candidates: _candidates,
        features: _features,
        primary_model: _primary,
        override_model: _override,
        ...row
      }) => ({
        ...row,
        user_excerpt: include_user_excerpt ? row.user_excerpt : redacted,
      }),
    ),
    summary: {
      total_rows: total,
      returned_rows: rows.length,
      graded_rows: rows.filter(({ grade }) => grade !== null).length,
      total_cost: rows.reduce((sum, { cost }) => sum + cost, 0),
      rows_by_model: Object.fromEntries([...byModel].map(([model, ofModel]) => [model, ofModel.length])),
    },
  }
}
