import type { z } from 'zod'
import type { routingRow } from '#sdk/contracts/models.ts'
import type { ModelFeatures } from '#sdk/routing/metascore.ts'
import type { Selection } from '#sdk/services/inference.ts'
import { type ReadableDb, sql } from '../database.ts'
import { isTurnCall } from './usage.ts'

export interface RoutingQuestion {
  /** ISO-8601; `until` is not in it. */
  since?: string | undefined
  until?: string | undefined
  limit: number
}

/** One choice of a model, with what the calls that followed it used. */
export interface RoutingRow extends z.infer<typeof routingRow> {
  primary_model: string
  override_model: string | null
  candidates: Selection['candidates']
  /** Empty where the router had no say, and of choices that an older build made. */
  features: Record<string, ModelFeatures>
}

interface StoredRow extends Omit<RoutingRow, 'candidates' | 'features'> {
  candidates_json: string
  features_json: string | null
}

/** The newest `limit` choices, newest first, and how many there are. */
export function routingRows(
  db: ReadableDb,
  { since = '', until = '9999', limit }: RoutingQuestion,
): { rows: RoutingRow[]; total: number } {
  // A call belongs to the choice before it: between that and the turn's next one.
  const text = `
    WITH page AS (
      SELECT rowid AS seq, turn_id, session_id, selected_model, executed_model, strategy, complexity, user_excerpt,
        primary_model, override_model, candidates_json, features_json, created_at,
        (SELECT next.created_at FROM model_selection_events next
          WHERE next.turn_id = this.turn_id AND next.rowid > this.rowid ORDER BY next.rowid LIMIT 1) AS next_at
      FROM model_selection_events this WHERE created_at >= @since AND created_at < @until
      ORDER BY created_at DESC, rowid DESC LIMIT @limit
    )
    SELECT page.*, f.grade, coalesce(sum(c.tokens_in), 0) AS tokens_in, coalesce(sum(c.tokens_out), 0) AS tokens_out,
      total(c.cost) AS cost, max(c.quality_score) AS quality_score
    FROM page
      LEFT JOIN inference_costs c ON c.turn_id = page.turn_id AND c.created_at >= page.created_at
        AND (page.next_at IS NULL OR c.created_at < page.next_at) AND ${isTurnCall}
      LEFT JOIN turn_feedback f ON f.turn_id = page.turn_id
    GROUP BY page.seq ORDER BY page.created_at DESC, page.seq DESC`
  const counted = sql(
    db,
    'SELECT count(*) AS total FROM model_selection_events WHERE created_at >= @since AND created_at < @until',
  ).get({ since, until }) as { total: number }
  const stored = sql(db, text).all({ since, until, limit }) as (StoredRow & { seq: number; next_at: string | null })[]
  return { rows: stored.map(toRow), total: counted.total }
}

function toRow({
  seq: _seq,
  next_at: _next,
  candidates_json,
  features_json,
  ...row
}: StoredRow & {
  seq: number
  next_at: string | null
}): RoutingRow {
  return {
    ...row,
    candidates: JSON.parse(candidates_json) as RoutingRow['candidates'],
    features: features_json === null ? {} : (JSON.parse(features_json) as RoutingRow['features']),
  }
}
