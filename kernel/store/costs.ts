import { type Account, noAccount } from '#sdk/budgets.ts'
import type { CostRecord } from '#sdk/services/kernel.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'
import type { Period } from './statistics/period.ts'
import { usageTotals } from './statistics/usage.ts'

export type CostRow = Omit<CostRecord, 'reservation_id'> & { created_at: string }

/** Recording the same call twice leaves one row; says whether this was the first time. */
export function recordCost(db: WritableDb, cost: Omit<CostRow, keyof Account> & Partial<Account>): boolean {
  const { changes } = sql(
    db,
    `INSERT OR IGNORE INTO inference_costs
       (id, model, provider, tokens_in, tokens_out, cost, tier, cached, latency_ms, quality_score, escalation, estimated, tokens_saved, cache_level, turn_id,
        session_id, job_id, subagent_id, api_key, created_at)
     VALUES
       (@id, @model, @provider, @tokens_in, @tokens_out, @cost, @tier, @cached, @latency_ms, @quality_score, @escalation, @estimated, @tokens_saved, @cache_level, @turn_id,
        @session_id, @job_id, @subagent_id, @api_key, @created_at)`,
  ).run({
    ...noAccount,
    ...cost,
    cached: Number(cost.cached),
    escalation: Number(cost.escalation),
    estimated: Number(cost.estimated),
  })
  return changes > 0
}

export function listCosts(
  db: ReadableDb,
  { since, limit, offset }: { since: string | null; limit: number; offset: number },
): CostRow[] {
  const rows = sql(
    db,
    `SELECT id, model, provider, tokens_in, tokens_out, cost, tier, cached, latency_ms, quality_score, escalation, estimated, tokens_saved, cache_level, turn_id,
       session_id, job_id, subagent_id, api_key, created_at
     FROM inference_costs WHERE created_at >= @since ORDER BY created_at DESC, rowid DESC LIMIT @limit OFFSET @offset`,
  ).all({ since: since ?? '', limit, offset }) as (Omit<CostRow, 'cached' | 'escalation' | 'estimated'> & {
    cached: number
    escalation: number
    estimated: number
  })[]
  return rows.map((row) => ({
    ...row,
    cached: row.cached === 1,
    escalation: row.escalation === 1,
    estimated: row.estimated === 1,
  }))
}

export interface CostSummary {
  total_cost: number
  total_tokens_in: number
  total_tokens_out: number
  requests: number
  /** Of these, those whose tokens are a guess. */
  estimated_requests: number
}

export function costSummary(db: ReadableDb, period: Period): CostSummary {
  const { cost, tokens_in, tokens_out, requests, estimated } = usageTotals(db, period)
  return {
    total_cost: cost,
    total_tokens_in: tokens_in,
    total_tokens_out: tokens_out,
    requests,
    estimated_requests: estimated,
  }
}

/** The last `perModel` quality scores of each model among the newest 5,000 calls, oldest first. */
export function recentQuality(db: ReadableDb, perModel: number): Record<string, number[]> {
  const rows = sql(
    db,
    `SELECT model, quality_score FROM inference_costs WHERE quality_score IS NOT NULL ORDER BY created_at DESC LIMIT 5000`,
  ).all() as { model: string; quality_score: number }[]
  const scores: Record<string, number[]> = {}
  for (const { model, quality_score } of rows) {
    scores[model] ??= []
    if (scores[model].length < perModel) scores[model].unshift(quality_score)
  }
  return scores
}
