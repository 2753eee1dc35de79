import { type ReadableDb, sql } from '../database.ts'
import { boundsOf, ofPeriod, type Period, totals } from './period.ts'

const sums = [
  'turns',
  'snapshots',
  'utilization',
  'budgeted',
  'pressed',
  'prompt_weight',
  'weighed',
  'system_tokens',
  'memory_tokens',
  'history_tokens',
  'tool_tokens',
  'with_memory',
  'grades',
  'grade_sum',
  'grades_with_memory',
  'grade_sum_with_memory',
  'grades_without_memory',
  'grade_sum_without_memory',
] as const

/** Sums over turns that are over, of their context snapshots and grades. */
export type TurnSums = Record<(typeof sums)[number], number>

export interface TurnsOfDay extends TurnSums {
  /** UTC, `2025-01-31`, on which they began. */
  day: string
  /** What answered; empty where nothing did. */
  model: string
  /** `L0` … `L3`; empty without a snapshot. */
  level: string
}

/** By day, model and level, oldest first. */
export function finishedTurnsByDay(
  db: ReadableDb,
  { model, ...period }: Period & { model?: string | undefined },
): TurnsOfDay[] {
  const where = model === undefined ? 'true' : 'model = @model'
  const text = `SELECT substr(hour, 1, 10) AS day, model, level, ${totals(sums)}
    FROM ${ofPeriod('turn', `hour, model, level, ${sums.join(', ')}`, where)}
    GROUP BY substr(hour, 1, 10), model, level ORDER BY day, model, level`
  return sql(db, text).all({ ...boundsOf(period), ...(model !== undefined && { model }) }) as TurnsOfDay[]
}

export function sumTurns(days: readonly TurnSums[]): TurnSums {
  const all = Object.fromEntries(sums.map((name) => [name, 0])) as TurnSums
  for (const day of days) for (const name of sums) all[name] += day[name]
  return all
}
