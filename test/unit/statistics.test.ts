import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { efficiencyOfPeriod } from '#kernel/observatory/statistics/efficiency.ts'
import { sinceOfPeriod } from '#kernel/observatory/statistics/since-of-period.ts'
import { type CostRow, costSummary } from '#kernel/store/costs.ts'
import { sql } from '#kernel/store/database.ts'
import { periodUsage } from '#kernel/store/statistics/period-usage.ts'
import { hourLabels, hourlySeries } from '#kernel/store/statistics/timeseries.ts'
import { cacheUse } from '#kernel/store/statistics/usage.ts'
import { openStore, type Store } from '#kernel/store/store.ts'
import { listTransactions } from '#kernel/store/transactions.ts'
import { efficiency } from '#sdk/contracts/efficiency.ts'
import { temporaryStore } from '../support/temp-store.ts'
import { type RawUsage, randomUsage, writeUsage } from '../support/usage-rows.ts'

/*
 * Every number is computed a second time here, from the rows as they were made and with nothing but plain loops.
 */

const now = Date.parse('2026-03-15T14:35:12.345Z')
const hourMs = 3_600_000
const periods = ['1h', '24h', '7d', '30d', 'all'] as const

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
const mean = (values: number[]) => (values.length === 0 ? 0 : sum(values) / values.length)
const per = (dividend: number, divisor: number) => (divisor === 0 ? 0 : dividend / divisor)
const isTurnCall = ({ tier }: CostRow) => tier === null || tier === 'cached'
const isSince = (since: string | null) => (row: { created_at: string }) => row.created_at >= (since ?? '')
const dayOf = (row: { created_at: string }) => row.created_at.slice(0, 10)

function trendOf(points: number[]) {
  if (points.length < 2) return 'stable'
  const half = Math.floor(points.length / 2)
  const [before, after] = [mean(points.slice(0, half)), mean(points.slice(half))]
  const change = (after - before) / Math.max(before, 0.001)
  return change > 0.05 ? 'increasing' : change < -0.05 ? 'decreasing' : 'stable'
}

/** Calls with what they open, told from the order of all rows. */
function opened(usage: RawUsage) {
  const seen = new Set<string>()
  const isFirst = (key: string) => !seen.has(key) && seen.add(key) !== undefined
  return usage.costs.map((row) => {
    if (!isTurnCall(row)) return { ...row, turn: false, modelTurn: false }
    if (row.turn_id === null) return { ...row, turn: true, modelTurn: true }
    return { ...row, turn: isFirst(row.turn_id), modelTurn: isFirst(`${row.turn_id} by ${row.model}`) }
  })
}

/** Turns that are over, with their snapshot and grade. */
function ended(usage: RawUsage) {
  return usage.turns
    .filter(({ status }) => status !== 'running')
    .map((turn) => ({
      ...turn,
      snapshot: usage.snapshots.find(({ turn_id }) => turn_id === turn.id),
      grade: usage.grades.find(({ turn_id }) => turn_id === turn.id)?.grade,
    }))
}

type Ended = ReturnType<typeof ended>[number]
type Snapshot = RawUsage['snapshots'][number]
const usedBy = (one: Snapshot) =>
  one.system_prompt_tokens + one.memory_tokens + one.history_tokens + one.tool_definition_tokens
const snapshotsOf = (turns: Ended[]) => turns.flatMap(({ snapshot }) => snapshot ?? [])
const gradesOf = (turns: Ended[]) => turns.flatMap(({ grade }) => grade ?? [])
const utilizations = (turns: Ended[]) =>
  snapshotsOf(turns)
    .filter((one) => one.token_budget > 0)
    .map((one) => usedBy(one) / one.token_budget)
const densities = (calls: CostRow[]) =>
  calls.filter(({ tokens_in }) => tokens_in > 0).map(({ tokens_in, tokens_out }) => tokens_out / tokens_in)

function expectedModel(usage: RawUsage, since: string | null, model: string) {
  const all = opened(usage).filter((row) => row.model === model && isSince(since)(row))
  const calls = all.filter(isTurnCall)
  const turns = ended(usage).filter((turn) => turn.model === model && isSince(since)(turn))
  const days = [...new Set(all.map(dayOf))].sort()
  const byDay = days.map((day) => all.filter((row) => dayOf(row) === day))
  const callDays = byDay.map((rows) => rows.filter(isTurnCall)).filter((rows) => rows.length > 0)
  const [tokensIn, tokensOut] = [sum(calls.map((row) => row.tokens_in)), sum(calls.map((row) => row.tokens_out))]
  const cost = sum(calls.map((row) => row.cost))
  const made = calls.filter(({ cached }) => !cached)
  const modelTurns = calls.filter(({ modelTurn }) => modelTurn).length
  const inputFraction = tokensIn + tokensOut === 0 ? 0.5 : tokensIn / (tokensIn + tokensOut)
  const snapshots = snapshotsOf(turns)
  const prompt = sum(snapshots.map(usedBy))
  const part = (key: keyof Snapshot, otherwise: number) => {
    const share = prompt === 0 ? otherwise : sum(snapshots.map((one) => Number(one[key]))) / prompt
    return {
      tokens: Math.round(tokensIn * share),
      cost: cost * inputFraction * share,
      pct: tokensIn === 0 ? 0 : share * 100,
    }
  }
  const withMemory = mean(gradesOf(turns.filter(({ snapshot }) => snapshot && snapshot.memory_tokens > 0)))
  const without = mean(gradesOf(turns.filter(({ snapshot }) => snapshot?.memory_tokens === 0)))
  const grades = gradesOf(turns)
  const gradedDays = [...new Set(turns.filter(({ grade }) => grade !== undefined).map(dayOf))].sort()
  const weighed = snapshots.filter((one) => usedBy(one) > 0)
  const levels = [
    ...new Set(turns.filter(({ grade }) => grade).flatMap(({ snapshot }) => snapshot?.complexity_level ?? [])),
  ]
  return {
    calls: calls.length,
    model,
    total_turns: modelTurns,
    avg_output_density: mean(densities(calls)),
    avg_budget_utilization: mean(utilizations(turns)),
    avg_memory_roi: withMemory > 0 && without > 0 ? withMemory / without - 1 : 0,
    avg_system_prompt_weight: mean(weighed.map((one) => one.system_prompt_tokens / usedBy(one))),
    cache_hit_rate: per(calls.filter(({ cached }) => cached).length, calls.length),
    context_pressure_rate: per(utilizations(turns).filter((share) => share > 0.8).length, utilizations(turns).length),
    cost: {
      total: sum(all.map((row) => row.cost)),
      per_output_token: per(cost, tokensOut),
      effective_per_turn: per(cost, modelTurns),
      cache_savings: calls.filter(({ cached }) => cached).length * mean(made.map((row) => row.cost)) * inputFraction,
      cumulative_trend: trendOf(byDay.map((rows) => sum(rows.map((row) => row.cost)))),
      attribution: {
        system_prompt: part('system_prompt_tokens', 0),
        memories: part('memory_tokens', 0),
        history: part('history_tokens', 1),
        tool_definitions: part('tool_definition_tokens', 0),
      },
      wasted_budget_cost: sum(made.filter((row) => row.quality_score === null).map((row) => row.cost)),
    },
    trend: {
      output_density: trendOf(callDays.map((rows) => mean(densities(rows)))),
      cost_per_turn: trendOf(
        callDays
          .map((rows) => ({
            cost: sum(rows.map((row) => row.cost)),
            turns: rows.filter((row) => row.modelTurn).length,
          }))
          .filter((day) => day.turns > 0)
          .map((day) => day.cost / day.turns),
      ),
      cache_hit_rate: trendOf(callDays.map((rows) => rows.filter((row) => row.cached).length / rows.length)),
    },
    quality:
      grades.length === 0
        ? null
        : {
            avg_grade: mean(grades),
            grade_count: grades.length,
            grade_coverage: Math.min(1, per(grades.length, modelTurns)),
            cost_per_quality_point: cost / sum(grades),
            by_complexity: Object.fromEntries(
              levels.map((level) => [
                level,
                mean(gradesOf(turns.filter(({ snapshot }) => snapshot?.complexity_level === level))),
              ]),
            ),
            memory_impact: { with_memory: withMemory, without_memory: without },
            trend:
              grades.length < 4
                ? 'stable'
                : trendOf(gradedDays.map((day) => mean(gradesOf(turns.filter((turn) => dayOf(turn) === day))))),
          },
    points: days.map((day, index) => {
      const rows = byDay[index] ?? []
      const dayCalls = rows.filter(isTurnCall)
      return {
        bucket: day,
        model,
        output_density: mean(densities(dayCalls)),
        cost: sum(rows.map((row) => row.cost)),
        turns: dayCalls.filter((row) => row.modelTurn).length,
        budget_utilization: mean(utilizations(turns.filter((turn) => dayOf(turn) === day))),
        cached_count: dayCalls.filter((row) => row.cached).length,
      }
    }),
  }
}

function expectedEfficiency(usage: RawUsage, period: string, since: string | null, only?: string) {
  const rows = opened(usage).filter((row) => isSince(since)(row) && (only === undefined || row.model === only))
  const measured = [...new Set(rows.map(({ model }) => model))]
    .sort()
    .map((model) => expectedModel(usage, since, model))
  const most = (list: typeof measured, of: (one: (typeof measured)[number]) => number) =>
    list.toSorted((left, right) => of(right) - of(left))[0]?.model ?? null
  const zero = {
    total: 0,
    success: 0,
    failed: 0,
    timeout_like: 0,
    success_rate: 0,
    avg_duration_ms: 0,
    p95_duration_ms: 0,
  }
  return {
    period,
    models: Object.fromEntries(measured.map(({ points: _points, calls: _calls, ...one }) => [one.model, one])),
    time_series: measured
      .flatMap(({ points }) => points)
      .sort((left, right) =>
        left.bucket === right.bucket ? (left.model < right.model ? -1 : 1) : left.bucket < right.bucket ? -1 : 1,
      ),
    totals: {
      total_cost: sum(rows.map((row) => row.cost)),
      total_cache_savings: sum(measured.map(({ cost }) => cost.cache_savings)),
      total_turns: rows.filter(({ turn }) => turn).length,
      most_expensive_model: most(measured, ({ cost }) => cost.total),
      most_efficient_model: most(
        measured.filter(({ calls }) => calls > 0),
        (one) => one.avg_output_density,
      ),
      biggest_cost_driver: most(measured, ({ cost }) => cost.total) ?? 'none',
    },
    subagent_assignment: { period, overall: zero, by_subagent: {}, assignments: {} },
  }
}

function expectedProfile(usage: RawUsage, since: string | null) {
  const all = opened(usage).filter(isSince(since))
  const calls = all.filter(isTurnCall)
  const turns = ended(usage).filter(isSince(since))
  const sessions = usage.sessions.filter(isSince(since))
  const ids = new Set(sessions.map(({ id }) => id))
  const grades = gradesOf(turns.filter(({ model }) => model !== null))
  const total = calls.filter(({ turn }) => turn).length
  const tools = usage.tools.filter(
    (row) => isSince(since)(row) && ['success', 'partial_success', 'error'].includes(row.status),
  )
  const snapshots = snapshotsOf(turns)
  const prompt = sum(snapshots.map(usedBy))
  const models = [...new Set(calls.map(({ model }) => model))].sort()
  return {
    total_sessions: sessions.length,
    total_turns: total,
    total_cost: sum(all.map(({ cost }) => cost)),
    avg_quality: grades.length === 0 ? null : mean(grades),
    grade_coverage: Math.min(1, per(grades.length, total)),
    models_used: models,
    model_stats: Object.fromEntries(
      models.map((model) => {
        const { total_turns, cost, quality, cache_hit_rate, avg_output_density } = expectedModel(usage, since, model)
        const avg_quality = quality?.avg_grade ?? null
        return [
          model,
          { turns: total_turns, avg_cost: cost.effective_per_turn, avg_quality, cache_hit_rate, avg_output_density },
        ]
      }),
    ),
    avg_session_length: per(usage.messages.filter(({ session_id }) => ids.has(session_id)).length, sessions.length),
    avg_tokens_per_turn: per(sum(calls.map((row) => row.tokens_in + row.tokens_out)), total),
    tool_success_rate: tools.length === 0 ? 1 : tools.filter(({ status }) => status !== 'error').length / tools.length,
    cache_hit_rate: per(calls.filter(({ cached }) => cached).length, calls.length),
    memory_retrieval_rate:
      snapshots.length === 0
        ? 0.5
        : snapshots.filter(({ memory_tokens }) => memory_tokens > 0).length / snapshots.length,
    first_call_at: all.map(({ created_at }) => created_at).sort()[0] ?? null,
    prompt_shares: {
      system_prompt: per(sum(snapshots.map((one) => one.system_prompt_tokens)), prompt),
      memories: per(sum(snapshots.map((one) => one.memory_tokens)), prompt),
      history: per(sum(snapshots.map((one) => one.history_tokens)), prompt),
      tool_definitions: per(sum(snapshots.map((one) => one.tool_definition_tokens)), prompt),
    },
  }
}

function expectedSeries(usage: RawUsage, hours: number) {
  /** Of a row's time: the whole hours that have passed since the window began; what has just been written is in the last. */
  const bucketOf = ({ created_at }: { created_at: string }) =>
    Math.min(hours - 1, Math.floor((Date.parse(created_at) - (now - hours * hourMs)) / hourMs))
  const hourly = <T extends { created_at: string }>(rows: T[], of: (rows: T[]) => number) =>
    Array.from({ length: hours }, (_, index) => of(rows.filter((row) => bucketOf(row) === index)))
  const median = (values: number[]) => {
    const sorted = values.toSorted((left, right) => left - right)
    const [low = 0, high = 0] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]]
    return (low + high) / 2
  }
  return {
    cost_per_hour: hourly(usage.costs, (rows) => sum(rows.map(({ cost }) => cost))),
    tokens_per_hour: hourly(usage.costs, (rows) => sum(rows.map((row) => row.tokens_in + row.tokens_out))),
    sessions_per_hour: hourly(usage.sessions, (rows) => rows.length),
    latency_p50_ms: hourly(usage.costs, (rows) =>
      median(rows.filter((row) => isTurnCall(row) && !row.cached).flatMap(({ latency_ms }) => latency_ms ?? [])),
    ),
    cron_success_rate: hourly(usage.runs, (rows) => {
      const over = rows.filter(({ status }) => status === 'success' || status === 'error')
      return over.length === 0 ? 1 : over.filter(({ status }) => status === 'success').length / over.length
    }),
    requests_per_hour: hourly(usage.costs, (rows) => rows.length),
    tool_latency_p50_ms: hourly(usage.tools, (rows) => median(rows.flatMap(({ duration_ms }) => duration_ms ?? []))),
    errors_per_hour: hourly(usage.turns, (rows) => rows.filter(({ status }) => status === 'error').length),
  }
}

/** Numbers may differ by what rounding to six places and another order of adding do. */
function expectSame(actual: unknown, expected: unknown, path = ''): void {
  if (typeof expected === 'number') {
    expect(actual, path).toBeTypeOf('number')
    expect(Math.abs((actual as number) - expected), `${path}: ${actual} for ${expected}`).toBeLessThan(6e-7)
  } else if (expected !== null && typeof expected === 'object') {
    expect(Object.keys(actual as object).sort(), path).toEqual(Object.keys(expected).sort())
    for (const [key, value] of Object.entries(expected))
      expectSame((actual as Record<string, unknown>)[key], value, `${path}.${key}`)
  } else expect(actual, path).toEqual(expected)
}

describe('every number equals what the raw rows add up to', () => {
  let folder: string
  let kept: Store
  let raw: RawUsage
  const store = () => kept
  const db = () => kept.read
  const usage = () => raw

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'keel-test-'))
    kept = openStore(join(folder, 'keel.db'), {
      onFault: (thrown) => {
        throw thrown
      },
    })
    raw = randomUsage(20, { now, days: 45, turns: 400 })
    writeUsage(kept.write, raw)
  })

  afterAll(async () => {
    await kept.close()
    rmSync(folder, { recursive: true })
  })

  test.each(periods)('the efficiency and the profile of %s', (period) => {
    const since = sinceOfPeriod(period, now)
    expectSame(efficiencyOfPeriod(db(), { period, since }), expectedEfficiency(usage(), period, since))
    expectSame(periodUsage(db(), { since }), expectedProfile(usage(), since))
  })

  test('the efficiency of one model, of one without grades, and of one that nobody knows', () => {
    const since = sinceOfPeriod('30d', now)
    for (const model of ['b/large', 'd/never graded', 'e/unknown'])
      expectSame(
        efficiencyOfPeriod(db(), { period: '30d', since, model }),
        expectedEfficiency(usage(), '30d', since, model),
      )
  })

  test.each([
    null,
    ...periods.map((period) => sinceOfPeriod(period, now)),
    '2026-03-10T00:00:00.000Z',
    '2026-03-10T10:59:59.999Z',
  ])('the costs and the cache since %s', (since) => {
    const rows = usage().costs.filter(isSince(since))
    expectSame(costSummary(db(), { since }), {
      total_cost: sum(rows.map(({ cost }) => cost)),
      total_tokens_in: sum(rows.map(({ tokens_in }) => tokens_in)),
      total_tokens_out: sum(rows.map(({ tokens_out }) => tokens_out)),
      requests: rows.length,
      estimated_requests: rows.filter(({ estimated }) => estimated).length,
    })
    const at = (level: string) => rows.filter(({ cache_level }) => cache_level === level).length
    expectSame(cacheUse(db(), { since }), {
      by_level: { exact: at('exact'), semantic: at('semantic'), tool_ttl: at('tool_ttl') },
      misses: at('miss'),
      tokens_saved: sum(rows.map(({ tokens_saved }) => tokens_saved)),
    })
  })

  test.each([1, 6, 24, 168])('the time series of %i hours', (hours) => {
    const series = hourlySeries(db(), { hours, now })
    for (const values of Object.values(series)) expect(values).toHaveLength(hours)
    expectSame(series, expectedSeries(usage(), hours))
    expect(hourLabels({ hours, now })).toHaveLength(hours)
    expect(hourLabels({ hours, now }).at(-1)).toBe('14:00')
    const since = sinceOfPeriod('24h', now)
    if (hours === 24) expectSame(sum(series.cost_per_hour), costSummary(db(), { since }).total_cost)
  })

  test('the transactions, newest first', () => {
    const since = '2026-03-14T14:35:12.345Z'
    const rows = usage().transactions.filter(isSince(since))
    const { transactions, total } = listTransactions(db(), { since, limit: 5, offset: 2 })
    expect(total).toBe(rows.length)
    const newest = rows
      .toReversed()
      .toSorted((left, right) => (left.created_at < right.created_at ? 1 : left.created_at > right.created_at ? -1 : 0))
    expect(transactions.map(({ id }) => id)).toEqual(newest.slice(2, 7).map(({ id }) => id))
  })

  test('and still when half of the sessions and a third of the ledger are gone, to the last row', () => {
    const { write } = store()
    const gone = new Set(
      usage()
        .sessions.filter((_, n) => n % 2 === 0)
        .map(({ id }) => id),
    )
    for (const id of gone) sql(write, 'DELETE FROM sessions WHERE id = ?').run(id)
    const isKept = ({ id }: { id: string }) => Number(id.slice('call '.length)) % 3 > 0
    for (const { id } of usage().costs.filter((row) => !isKept(row)))
      sql(write, 'DELETE FROM inference_costs WHERE id = ?').run(id)
    const turns = usage().turns.filter(({ session_id }) => !gone.has(session_id))
    const ids = new Set(turns.map(({ id }) => id))
    const left = { ...usage(), turns, sessions: usage().sessions.filter(({ id }) => !gone.has(id)) }
    // Which call was a turn's first does not change when that call is forgotten.
    const firsts = opened(usage()).filter(isKept)
    for (const period of periods) {
      const since = sinceOfPeriod(period, now)
      const told = efficiencyOfPeriod(db(), { period, since })
      const rows = firsts.filter(isSince(since))
      expectSame(told.totals.total_cost, sum(rows.map(({ cost }) => cost)))
      expectSame(told.totals.total_turns, rows.filter(({ turn }) => turn).length)
      const graded = ended(left).filter((turn) => isSince(since)(turn) && turn.model !== null)
      const { avg_quality } = periodUsage(db(), { since })
      expectSame(avg_quality, gradesOf(graded).length === 0 ? null : mean(gradesOf(graded)))
    }
    expect(ids.size).toBeGreaterThan(10)
    sql(write, 'DELETE FROM inference_costs').run()
    sql(write, 'DELETE FROM sessions').run()
    expect(sql(write, 'SELECT * FROM usage_hours').all()).toEqual([])
    expect(sql(write, 'SELECT * FROM turn_hours').all()).toEqual([])
  })
})

test('an empty database has every number, and each of them is finite', () => {
  const { store } = temporaryStore()
  for (const period of periods) {
    const since = sinceOfPeriod(period, now)
    const told = efficiencyOfPeriod(store.read, { period, since })
    expect(efficiency.parse(told)).toEqual(
      expectedEfficiency(randomUsage(1, { now, days: 1, turns: 0 }), period, since),
    )
    expectSame(periodUsage(store.read, { since }), expectedProfile(randomUsage(1, { now, days: 1, turns: 0 }), since))
  }
})
