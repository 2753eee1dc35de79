import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pino } from 'pino'
import { CostLedger } from '#kernel/inference/cost-ledger.ts'
import { sinceHours } from '#kernel/observatory/statistics/since-of-period.ts'
import { openReadable, sql } from '#kernel/store/database.ts'
import { openStore, type Store } from '#kernel/store/store.ts'
import { noAccount } from '#sdk/budgets.ts'
import { newId } from '#sdk/ids.ts'
import type { Bench, Figure } from './bench.ts'
import { fillDatabase, type Size } from './observatory/fill.ts'
import { quantile } from './quantile.ts'

const sizes: Record<'quick' | 'full', Size> = {
  quick: { turns: 50_000, days: 30 },
  full: { turns: 1_000_000, days: 30 },
}
const rounds = { quick: 5, full: 9 }
/** Milliseconds. */
const answerGoal = 1_000
/** That the thread of the event loop works for one answer, in milliseconds. */
const heldGoal = 20
/** Of the time that one sum over all rows of the ledger takes, where there are many. */
const scanGoal = 3
const writtenRows = 20_000
/** How much dearer a row of the ledger may be for being counted. */
const writeGoal = 2.5
const hoursOfMonth = 720

const weights = { accuracy_floor: 0.5, accuracy_min_obs: 10, cost_aware: true, cost_weight: null }

/** What each route asks the reader pool; the widest question that it allows. */
const questions: Record<string, (store: Store) => Promise<unknown>> = {
  'stats/costs, page and summary': ({ pool }) =>
    Promise.all([
      pool.run('listCosts', { since: null, limit: 500, offset: 0 }),
      pool.run('costSummary', { since: null }),
    ]),
  'stats/costs, summary of 30 days': ({ pool }) => pool.run('costSummary', { since: sinceHours(hoursOfMonth - 0.5) }),
  'stats/cache': ({ pool }) => pool.run('cacheUse', { since: null }),
  'stats/efficiency, all': ({ pool }) => pool.run('efficiencyOfPeriod', { period: 'all', since: null }),
  'stats/efficiency, 7d': ({ pool }) => pool.run('efficiencyOfPeriod', { period: '7d', since: sinceHours(168) }),
  'stats/timeseries, 168 hours': ({ pool }) => pool.run('hourlySeries', { hours: 168, now: Date.now() }),
  'stats/timeseries, 24 hours': ({ pool }) => pool.run('hourlySeries', { hours: 24, now: Date.now() }),
  'stats/transactions': ({ pool }) => pool.run('listTransactions', { since: '', limit: 5_000, offset: 0 }),
  'the profile of all time': ({ pool }) => pool.run('periodUsage', { since: null }),
  'the profile of 30 days': ({ pool }) => pool.run('periodUsage', { since: sinceHours(hoursOfMonth - 0.5) }),
  'models/selections, of one session': ({ pool }) => pool.run('listSelections', { session_id: 'nobody', limit: 500 }),
  'models/routing-dataset': ({ pool }) => pool.run('routingDataset', { limit: 5_000, include_user_excerpt: false }),
  'models/routing-eval': ({ pool }) => pool.run('evaluateRouting', { limit: 5_000, weights }),
}

export const observatory: Bench = {
  about:
    'how long the statistics take when there is much to count, against one sum over the ledger; and what counting costs',
  async run({ quick, seed, say }) {
    const kind = quick ? 'quick' : 'full'
    const folder = mkdtempSync(join(tmpdir(), 'keel-bench-'))
    const path = join(folder, 'keel.db')
    try {
      say(`${sizes[kind].turns} turns are written`)
      fillDatabase(path, sizes[kind], seed)
      say('they are counted')
      const since = performance.now()
      const store = openStore(path, {
        onFault: (thrown) => {
          throw thrown
        },
      })
      const counted = (performance.now() - since) / 1_000
      try {
        return [
          { what: `${sizes[kind].turns} turns are brought up to date`, value: counted, unit: 's' },
          ...(await timeQuestions(store, path, { times: rounds[kind], scanGoal: quick ? undefined : scanGoal })),
          ...timeWrites(store),
        ]
      } finally {
        await store.close()
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
}

async function timeQuestions(
  store: Store,
  path: string,
  { times, scanGoal: goal }: { times: number; scanGoal: number | undefined },
): Promise<Figure[]> {
  const scans = Array.from({ length: times }, () => timeReads(path, [ledgerSum]))
  const scanMs = quantile(scans, 0.5)
  const figures: Figure[] = [
    { what: 'one sum over all rows of the ledger', value: scanMs, unit: 'ms p50' },
    { what: 'turns by day and model, from the rows themselves', value: timeReads(path, rowSums), unit: 'ms' },
  ]
  const heldFor: number[][] = []
  for (const [what, ask] of Object.entries(questions)) {
    await ask(store)
    const taken: number[] = []
    const held: number[] = []
    for (let round = 0; round < times; round++) {
      const before = process.threadCpuUsage()
      const since = performance.now()
      // As the answer is written.
      JSON.stringify(await ask(store))
      taken.push(performance.now() - since)
      const { user, system } = process.threadCpuUsage(before)
      held.push((user + system) / 1_000)
    }
    heldFor.push(held)
    const p50 = quantile(taken, 0.5)
    const limits = { goal: { atMost: answerGoal }, gross: { atMost: answerGoal * 5 } }
    figures.push(
      { what, value: p50, unit: 'ms p50' },
      { what: '…', value: Math.max(...taken), unit: 'ms max', ...limits },
      {
        what: '… of that sum',
        value: p50 / scanMs,
        unit: 'ratio',
        ...(goal !== undefined && { goal: { atMost: goal } }),
      },
    )
  }
  const heaviest = heldFor.toSorted((left, right) => quantile(right, 0.5) - quantile(left, 0.5))[0] ?? []
  return [
    ...figures,
    {
      ...{ what: 'the event loop works for the heaviest answer', value: quantile(heaviest, 0.5), unit: 'ms p50' },
      goal: { atMost: heldGoal },
    },
    { what: '… of all of them, the collector included', value: Math.max(...heldFor.flat()), unit: 'ms max' },
  ]
}

const ledgerSum = 'SELECT total(cost) FROM inference_costs'

/** What efficiency sums up, from the rows instead of the hours. */
const rowSums = ['usage', 'turn'].map(
  (kind) => `SELECT substr(hour, 1, 10) AS day, model, total(turns) FROM ${kind}_rows GROUP BY day, model`,
)

/** On a connection of its own, as a reader that has just started would. */
function timeReads(path: string, texts: readonly string[]): number {
  const db = openReadable(path)
  try {
    const since = performance.now()
    for (const text of texts) sql(db, text).all()
    return performance.now() - since
  } finally {
    db.close()
  }
}

/** The ledger as the kernel writes it, with the counting and then without. */
function timeWrites(store: Store): Figure[] {
  const counted = writeRows(store)
  store.write.exec('DROP TRIGGER inference_costs_counted')
  const plain = writeRows(store)
  return [
    { what: 'a row of the ledger', value: counted, unit: 'µs' },
    { what: '… of one that is not counted', value: counted / plain, unit: 'ratio', goal: { atMost: writeGoal } },
  ]
}

/** Microseconds a row. */
function writeRows(store: Store): number {
  const ledger = new CostLedger(store.write, pino({ enabled: false }), { book: () => [], announce: () => {} })
  const since = performance.now()
  for (let n = 0; n < writtenRows; n++) {
    ledger.record({
      ...{
        id: newId(),
        model: `provider0/model-${n % 3}`,
        provider: 'provider0',
        tier: null,
        turn_id: `turn ${n >> 1}`,
      },
      ...{ tokens_in: 900, tokens_out: 90, cost: 0.001, cached: false, latency_ms: 700, quality_score: 0.8 },
      ...{
        escalation: false,
        estimated: false,
        tokens_saved: 0,
        cache_level: null,
        reservation_id: null,
        ...noAccount,
      },
    })
  }
  ledger.close()
  return ((performance.now() - since) / writtenRows) * 1_000
}
