import { timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql } from '../database.ts'
import { isTurnCall } from './usage.ts'

const hourMs = 3_600_000

export interface TimeseriesQuestion {
  hours: number
  /** Milliseconds since the epoch; the last hour ends here. */
  now: number
}

/** One number an hour, oldest first. Dollars, tokens, milliseconds, shares and counts. */
export interface HourlySeries {
  cost_per_hour: number[]
  tokens_per_hour: number[]
  sessions_per_hour: number[]
  latency_p50_ms: number[]
  cron_success_rate: number[]
  requests_per_hour: number[]
  tool_latency_p50_ms: number[]
  errors_per_hour: number[]
}

interface Hour {
  from: string
  /** Not in it. */
  to: string
}

/** The last hour has also what was written while this is read. */
const endOfTime = '9999'

export function hourlySeries(db: ReadableDb, { hours, now }: TimeseriesQuestion): HourlySeries {
  const buckets = Array.from({ length: hours }, (_, index): Hour => {
    const left = hours - index
    return { from: timestamp(now - left * hourMs), to: left === 1 ? endOfTime : timestamp(now - (left - 1) * hourMs) }
  })
  const usage = buckets.map((hour) => usageIn(db, hour))
  return {
    cost_per_hour: usage.map(({ cost }) => cost),
    tokens_per_hour: usage.map(({ tokens }) => tokens),
    sessions_per_hour: buckets.map((hour) => countIn(db, 'sessions', 'true', hour)),
    latency_p50_ms: buckets.map((hour) =>
      medianIn(db, 'inference_costs', 'latency_ms', `NOT cached AND ${isTurnCall}`, hour),
    ),
    cron_success_rate: buckets.map((hour) => cronSuccessIn(db, hour)),
    requests_per_hour: usage.map(({ requests }) => requests),
    tool_latency_p50_ms: buckets.map((hour) => medianIn(db, 'tool_calls', 'duration_ms', 'true', hour)),
    errors_per_hour: buckets.map((hour) => countIn(db, 'turns', `status = 'error'`, hour)),
  }
}

/** "HH:00" UTC of the moment with which each hour ends, oldest first. */
export function hourLabels({ hours, now }: TimeseriesQuestion): string[] {
  return Array.from({ length: hours }, (_, index) => {
    const end = timestamp(now - (hours - 1 - index) * hourMs)
    return `${end.slice('YYYY-MM-DDT'.length, 'YYYY-MM-DDTHH'.length)}:00`
  })
}

const isIn = 'created_at >= @from AND created_at < @to'

function usageIn(db: ReadableDb, hour: Hour): { cost: number; tokens: number; requests: number } {
  const text = `SELECT total(cost) AS cost, total(tokens_in + tokens_out) AS tokens, count(*) AS requests
    FROM inference_costs WHERE ${isIn}`
  return sql(db, text).get(hour) as { cost: number; tokens: number; requests: number }
}

function countIn(db: ReadableDb, table: 'sessions' | 'turns', where: string, hour: Hour): number {
  return (sql(db, `SELECT count(*) AS n FROM ${table} WHERE ${where} AND ${isIn}`).get(hour) as { n: number }).n
}

/** 1 without a run that came to its end. */
function cronSuccessIn(db: ReadableDb, hour: Hour): number {
  const text = `SELECT total(status = 'success') AS succeeded, count(*) AS ended
    FROM cron_runs WHERE status IN ('success', 'error') AND ${isIn}`
  const { succeeded, ended } = sql(db, text).get(hour) as { succeeded: number; ended: number }
  return ended === 0 ? 1 : succeeded / ended
}

/** The middle value, the mean of the two in the middle where their number is even; 0 of none. */
function medianIn(
  db: ReadableDb,
  table: 'inference_costs' | 'tool_calls',
  column: 'latency_ms' | 'duration_ms',
  where: string,
  hour: Hour,
): number {
  const rows = `FROM ${table} WHERE ${column} IS NOT NULL AND ${where} AND ${isIn}`
  const sorted = sql(db, `SELECT ${column} ${rows} ORDER BY ${column}`).pluck().all(hour) as number[]
  const [low = 0, high = low] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return (low + high) / 2
}
