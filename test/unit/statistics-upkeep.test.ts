import { join } from 'node:path'
import { expect, test } from 'vitest'
import { recordCost } from '#kernel/store/costs.ts'
import { openWritable, type ReadableDb, sql } from '#kernel/store/database.ts'
import { recentGrades, saveFeedback } from '#kernel/store/feedback.ts'
import { migrate, migrations } from '#kernel/store/migrate.ts'
import { statisticsMigration } from '#kernel/store/migrations/0140-statistics.ts'
import { listSelections } from '#kernel/store/selections.ts'
import { finishedTurnsByDay } from '#kernel/store/statistics/finished-turns.ts'
import { hourlySeries } from '#kernel/store/statistics/timeseries.ts'
import { usageByDay } from '#kernel/store/statistics/usage.ts'
import { listTransactions } from '#kernel/store/transactions.ts'
import { planOf } from '../support/query-plan.ts'
import { temporaryFolder, temporaryStore } from '../support/temp-store.ts'
import { randomUsage, writeUsage } from '../support/usage-rows.ts'

const now = Date.parse('2026-03-15T14:35:12.345Z')
const hour = '2026-03-15T13'

const call = (id: string, fields: Partial<Parameters<typeof recordCost>[1]> = {}) => ({
  ...{ id, model: 'a/m', provider: 'a', tier: null, turn_id: null, tokens_in: 10, tokens_out: 5, cost: 0.5 },
  ...{ cached: false, latency_ms: 1, quality_score: 1, escalation: false, estimated: false, tokens_saved: 0 },
  ...{ cache_level: null, created_at: `${hour}:00:00.000Z`, ...fields },
})

const hours = (db: ReadableDb) => sql(db, 'SELECT model, tier, calls, turns, model_turns FROM usage_hours').all()

test('a call that is recorded twice is counted once', () => {
  const { store } = temporaryStore()
  for (let n = 0; n < 3; n++) recordCost(store.write, call('a'))
  expect(hours(store.read)).toEqual([{ model: 'a/m', tier: '', calls: 1, turns: 1, model_turns: 1 }])
})

test('a turn counts once, and once for each model that was called in it; what Keel asks for itself is no turn', () => {
  const { store } = temporaryStore()
  const calls = [
    call('1', { tier: 'memory', turn_id: 't' }),
    call('2', { turn_id: 't' }),
    call('3', { turn_id: 't' }),
    call('4', { turn_id: 't', model: 'b/m' }),
    call('5', { turn_id: 't', model: 'b/m', tier: 'cached', cached: true }),
    call('6'),
    call('7', { tier: 'analysis' }),
  ]
  for (const one of calls) recordCost(store.write, one)
  expect(hours(store.read)).toEqual([
    { model: 'a/m', tier: '', calls: 3, turns: 2, model_turns: 2 },
    { model: 'a/m', tier: 'analysis', calls: 1, turns: 0, model_turns: 0 },
    { model: 'a/m', tier: 'memory', calls: 1, turns: 0, model_turns: 0 },
    { model: 'b/m', tier: '', calls: 1, turns: 0, model_turns: 1 },
    { model: 'b/m', tier: 'cached', calls: 1, turns: 0, model_turns: 0 },
  ])
})

test('a grade is counted when the turn is over, replaced by the next one, and taken away with its row', () => {
  const { store } = temporaryStore()
  const usage = randomUsage(3, { now, days: 1, turns: 8 })
  const [turn] = usage.turns
  const id = turn?.id ?? ''
  usage.turns = usage.turns.slice(0, 1).map((one) => ({ ...one, status: 'running' as const }))
  const empty = { snapshots: [], grades: [], tools: [], costs: [] }
  writeUsage(store.write, { ...usage, ...empty })
  const grades = () => finishedTurnsByDay(store.read, { since: null }).map((day) => [day.grades, day.grade_sum])
  const grade = (value: number) =>
    saveFeedback(store.write, { turn_id: id, session_id: 's', grade: value, comment: undefined })
  grade(2)
  expect(grades()).toEqual([])
  sql(store.write, `UPDATE turns SET status = 'ok', model = 'a/m'`).run()
  expect(grades()).toEqual([[1, 2]])
  grade(5)
  expect(grades()).toEqual([[1, 5]])
  sql(store.write, 'DELETE FROM turn_feedback').run()
  expect(grades()).toEqual([[0, 0]])
  sql(store.write, 'DELETE FROM turns').run()
  expect(grades()).toEqual([])
})

test('a database of an earlier build is counted as if it had been counted from the first row on', async () => {
  const { store, path } = temporaryStore()
  writeUsage(store.write, randomUsage(7, { now, days: 40, turns: 150 }))
  const old = openWritable(join(temporaryFolder(), 'keel.db'), 'normal')
  migrate(
    old,
    migrations.filter(({ version }) => version < statisticsMigration.version),
  )
  old.exec(`ATTACH '${path}' AS now`)
  for (const table of ['sessions', 'turns', 'context_snapshots', 'turn_feedback', 'inference_costs']) {
    const columns = sql(old, `SELECT name FROM pragma_table_info('${table}', 'main')`).pluck().all().join(', ')
    old.exec(`INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM now.${table} ORDER BY rowid`)
  }
  old.exec('DETACH now')
  migrate(old)
  const period = { since: null }
  const near = (rows: object[]) =>
    rows.map((row) =>
      Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? value.toFixed(6) : value]),
    )
  expect(near(usageByDay(old, period))).toEqual(near(usageByDay(store.read, period)))
  expect(near(finishedTurnsByDay(old, period))).toEqual(near(finishedTurnsByDay(store.read, period)))
  expect(usageByDay(old, period).length).toBeGreaterThan(20)
  old.close()
})

test('what is asked of many rows finds them by an index', () => {
  const { store } = temporaryStore()
  const since = new Date(now).toISOString()
  // Sorting is left to the few rows of the hours.
  const plan = (work: (db: Parameters<typeof usageByDay>[0]) => unknown) => planOf(store, work, { sorts: true })
  expect(plan((db) => usageByDay(db, { since }))).toMatch(
    /usage_hours USING PRIMARY KEY \(hour>\?\)[\s\S]*inference_costs_by_creation \(created_at>\? AND created_at<\?\)/,
  )
  expect(plan((db) => finishedTurnsByDay(db, { since }))).toMatch(
    /turn_hours USING PRIMARY KEY \(hour>\?\)[\s\S]*turns_by_creation \(created_at>\? AND created_at<\?\)/,
  )
  expect(planOf(store, (db) => hourlySeries(db, { hours: 1, now }))).toContain(
    'turns_failed (created_at>? AND created_at<?)',
  )
  // Only those of one moment are sorted.
  expect(plan((db) => listTransactions(db, { since, limit: 1, offset: 0 }))).toContain('transactions_newest')
  expect(planOf(store, (db) => listSelections(db, { session_id: 's', limit: 1 }))).toContain(
    'model_selections_by_session',
  )
  expect(planOf(store, (db) => listSelections(db, { model: 'm', limit: 1 }))).toContain('model_selections_by_model')
  expect(planOf(store, (db) => recentGrades(db, 1))).toContain('SEARCH t USING INDEX')
})
