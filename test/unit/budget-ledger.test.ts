import { pino } from 'pino'
import { expect, test } from 'vitest'
import { BudgetLedger } from '#kernel/budgets/ledger.ts'
import { type BudgetLines, budgetLinesOf } from '#kernel/budgets/lines.ts'
import { defaultConfig } from '#kernel/config/schema.ts'
import { CostLedger } from '#kernel/inference/cost-ledger.ts'
import { type AccountRow, findBudgetAccount, listBudgetAccounts, pruneBudgets } from '#kernel/store/budgets.ts'
import { listCosts } from '#kernel/store/costs.ts'
import { sql, type WritableDb } from '#kernel/store/database.ts'
import { budgetsMigration } from '#kernel/store/migrations/0150-budgets.ts'
import { type Account, type BudgetScope, budgetScopes, noAccount } from '#sdk/budgets.ts'
import { newId } from '#sdk/ids.ts'
import type { CostRecord } from '#sdk/services/kernel.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { temporaryStore } from '../support/temp-store.ts'

const noLine = { soft: null, hard: null }
const unlimited = Object.fromEntries(
  budgetScopes.map((scope) => [scope, { cost: noLine, tokens: noLine }]),
) as BudgetLines
/** Above any that a system gives to a process. */
const deadPid = 2 ** 30
const startOfTest = Date.parse('2026-03-04T12:00:00.000Z')
const dayMs = 86_400_000

function openBooks(change: Partial<BudgetLines> = {}) {
  const { store } = temporaryStore()
  const told: { type: string; [field: string]: unknown }[] = []
  const clock = { now: startOfTest }
  const lines = { ...unlimited, ...change }
  const log = pino({ enabled: false })
  const bus = { publish: (type: string, fields: object) => void told.push({ type, ...fields }) }
  const open = () =>
    new BudgetLedger({ db: store.write, bus: bus as never, log, lines: () => lines, now: () => clock.now })
  const ledger = open()
  ledger.addHolder('alive', process.pid)
  /** As the ledger of costs does it. */
  const settle = (cost: Partial<CostRecord>, books = ledger) =>
    books.announce(
      store.write.transaction(() =>
        books.book({ ...costRecord(cost), created_at: new Date(clock.now).toISOString() }),
      )(),
    )
  const reserve = (id: string, cost: number, tokens: number, account: Partial<Account> = {}, holder = 'alive') =>
    ledger.reserve({ id, holder, model: 'mock/m', account: { ...noAccount, ...account }, worst: { cost, tokens } })
  const at = (scope: BudgetScope, key = '', period = scope === 'session' ? '' : '2026-03-04') =>
    findBudgetAccount(store.read, { scope, key, period })
  return { store, told, clock, lines, ledger, open, settle, reserve, at }
}

function costRecord(change: Partial<CostRecord>): CostRecord {
  return {
    id: newId(),
    model: 'mock/m',
    provider: 'mock',
    tokens_in: 0,
    tokens_out: 0,
    cost: 0,
    tier: null,
    cached: false,
    cache_level: null,
    latency_ms: 1,
    quality_score: null,
    escalation: false,
    estimated: false,
    tokens_saved: 0,
    turn_id: null,
    reservation_id: null,
    ...noAccount,
    ...change,
  }
}

const day = (soft: number | null, hard: number | null): Partial<BudgetLines> => ({
  day: { cost: { soft, hard }, tokens: noLine },
})

test('what is reserved counts until it is settled, and what is refused says why', () => {
  const { reserve, settle, ledger, at } = openBooks(day(0.8, 1))
  expect(reserve('a', 0.6, 100)).toBeNull()
  expect(reserve('b', 0.5, 100)).toEqual({
    scope: 'day',
    key: '',
    measure: 'cost',
    hard: 1,
    spent: 0,
    reserved: 0.6,
    begins_anew_at: '2026-03-05T00:00:00.000Z',
  })
  expect(reserve('c', 0.4, 100)).toBeNull()
  settle({ reservation_id: 'a', cost: 0.1, tokens_in: 5, tokens_out: 6 })
  ledger.release('c')
  expect(at('day')).toMatchObject({ cost: 1e8, tokens: 11, reserved_cost: 0, reserved_tokens: 0 })
  expect(reserve('d', 0.9, 1)).toBeNull()
  expect(reserve('e', 0.000_001, 1)).not.toBeNull()
})

test('a call that costs nothing passes no line in dollars, and every line in tokens', () => {
  const { reserve } = openBooks({ day: { cost: { soft: 0, hard: 0 }, tokens: { soft: 80, hard: 100 } } })
  expect(reserve('a', 0, 60)).toBeNull()
  expect(reserve('b', 0, 41)).toMatchObject({ measure: 'tokens', hard: 100, reserved: 60 })
  expect(reserve('c', 0.01, 1)).toMatchObject({ measure: 'cost', hard: 0 })
})

test.each([
  ['session', { session_id: 'x' }],
  ['job', { job_id: 'x' }],
  ['subagent', { subagent_id: 'x' }],
  ['api_key', { api_key: 'x' }],
] as const)('each %s has its own, and a call is reserved in all of its scopes or in none', (scope, account) => {
  const { reserve, at } = openBooks({ ...day(8, 10), [scope]: { cost: { soft: 0.8, hard: 1 }, tokens: noLine } })
  expect(reserve('a', 1, 1, account)).toBeNull()
  expect(reserve('b', 1, 1, account)).toMatchObject({ scope, key: 'x', reserved: 1 })
  expect(
    reserve('c', 1, 1, { ...account, [scope === 'session' ? 'session_id' : (Object.keys(account)[0] ?? '')]: 'y' }),
  ).toBeNull()
  expect(at('day')).toMatchObject({ reserved_cost: 2e9, reserved_tokens: 2 })
})

test('a day begins anew at midnight, a session never', () => {
  const { reserve, settle, clock, at } = openBooks({
    ...day(0.8, 1),
    session: { cost: { soft: 1, hard: 1.5 }, tokens: noLine },
  })
  expect(reserve('a', 1, 1, { session_id: 's' })).toBeNull()
  clock.now += dayMs / 2
  // What was let go yesterday counts yesterday.
  settle({ reservation_id: 'a', cost: 1, session_id: 's' })
  expect(at('day')).toMatchObject({ cost: 1e9, reserved_cost: 0 })
  expect(at('day', '', '2026-03-05')).toBeUndefined()
  expect(reserve('b', 1, 1, { session_id: 's' })).toMatchObject({ scope: 'session', begins_anew_at: null, spent: 1 })
  expect(reserve('c', 1, 1, { session_id: 't' })).toBeNull()
})

test('each line is told of once in a period', () => {
  const { settle, reserve, clock, told, at } = openBooks(day(0.5, 1))
  settle({ cost: 0.4 })
  expect(told).toEqual([])
  settle({ cost: 0.2 })
  settle({ cost: 0.2 })
  expect(told).toEqual([
    {
      type: 'budget_soft_line',
      scope: 'day',
      key: '',
      measure: 'cost',
      line: 0.5,
      spent: 0.6,
      reserved: 0,
      begins_anew_at: '2026-03-05T00:00:00.000Z',
    },
  ])
  expect(reserve('a', 0.3, 1)).not.toBeNull()
  expect(reserve('b', 0.3, 1)).not.toBeNull()
  settle({ cost: 0.2 })
  expect(told.map(({ type, spent }) => [type, spent])).toEqual([
    ['budget_soft_line', 0.6],
    ['budget_hard_line', 0.8],
  ])
  expect(at('day')).toMatchObject({ soft_at: '2026-03-04T12:00:00.000Z', hard_at: '2026-03-04T12:00:00.000Z' })
  clock.now += dayMs
  settle({ cost: 2 })
  expect(told.slice(2).map(({ type }) => type)).toEqual(['budget_soft_line', 'budget_hard_line'])
})

test('what a dead process had under way is booked at its worst, until its true cost is told', () => {
  const { ledger, reserve, settle, at } = openBooks(day(0.8, 1))
  ledger.addHolder('dying', deadPid)
  reserve('a', 0.3, 30, {}, 'dying')
  reserve('b', 0.3, 30)
  // The one that lives on keeps what it has.
  ledger.addHolder('next', process.pid)
  expect(at('day')).toMatchObject({ cost: 0, reserved_cost: 3e8, unsettled_cost: 3e8, unsettled_tokens: 30 })
  expect(reserve('c', 0.41, 1)).toMatchObject({ spent: 0.3, reserved: 0.3 })
  settle({ reservation_id: 'a', cost: 0.1, tokens_in: 10 })
  settle({ reservation_id: 'b', cost: 0.1, tokens_in: 10 })
  expect(at('day')).toMatchObject({ cost: 2e8, tokens: 20, reserved_cost: 0, unsettled_cost: 0, unsettled_tokens: 0 })
})

test('a kernel that starts books the worst case of all that was open', () => {
  const { reserve, open, at } = openBooks()
  reserve('a', 0.3, 30, { job_id: 'j' })
  open().closeAbandoned()
  for (const row of [at('day'), at('job', 'j')])
    expect(row).toMatchObject({ reserved_cost: 0, reserved_tokens: 0, unsettled_cost: 3e8, unsettled_tokens: 30 })
})

test('an answer that used more than was set aside is booked as it was', () => {
  const { reserve, settle, at } = openBooks(day(0.8, 1))
  reserve('a', 0.5, 10)
  settle({ reservation_id: 'a', cost: 1.5, tokens_in: 50 })
  expect(at('day')).toMatchObject({ cost: 15e8, tokens: 50, reserved_cost: 0, reserved_tokens: 0 })
  expect(reserve('b', 0.1, 1)).toMatchObject({ spent: 1.5 })
})

test('the books hold whatever comes in whatever order', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed)
    const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T
    const hard = { day: 3, session: 2, job: 1 }
    const { store, ledger, settle, reserve } = openBooks({
      day: { cost: { soft: 2, hard: hard.day }, tokens: { soft: 5_000, hard: 9_000 } },
      session: { cost: { soft: 1, hard: hard.session }, tokens: noLine },
      job: { cost: { soft: 0.5, hard: hard.job }, tokens: noLine },
    })
    const open = new Map<string, { cost: number; tokens: number; holder: string }>()
    const holders = ['alive']
    let billed = 0
    let lost = 0
    for (let step = 0; step < 120; step++) {
      const act = random()
      const id = pick([...open.keys(), 'nobody'])
      if (act < 0.5) {
        const [cost, tokens, holder] = [random() * 0.4, Math.floor(random() * 900), holders.at(-1) ?? '']
        const account = { session_id: pick(['s', 't', null]), job_id: pick(['j', null, null]) }
        if (reserve(`${step}`, cost, tokens, account, holder) === null) open.set(`${step}`, { cost, tokens, holder })
      } else if (act < 0.75) {
        const held = open.get(id)
        const share = random()
        if (held) {
          settle({ reservation_id: id, cost: held.cost * share, tokens_in: Math.floor(held.tokens * share) })
          billed += held.cost * share
        }
        open.delete(id)
      } else if (act < 0.95) {
        ledger.release(id)
        open.delete(id)
      } else {
        ledger.addHolder('dying', deadPid)
        if (reserve(`lost-${step}`, 0.01, 1, {}, 'dying') === null) lost += 0.01
        ledger.addHolder(`alive-${step}`, process.pid)
      }
      for (const scope of ['day', 'session', 'job'] as const) {
        for (const row of listBudgetAccounts(store.read, {
          scope,
          period: scope === 'session' ? '' : '2026-03-04',
          limit: 10,
        })) {
          expect(Math.min(row.reserved_cost, row.reserved_tokens, row.unsettled_cost)).toBeGreaterThanOrEqual(0)
          expect(sumOf(row)).toBeLessThanOrEqual(hard[scope] * 1e9)
        }
      }
    }
    const row = findBudgetAccount(store.read, { scope: 'day', key: '', period: '2026-03-04' })
    const left = [...open.values()]
    expect((row?.cost ?? 0) / 1e9).toBeCloseTo(billed, 6)
    expect((row?.unsettled_cost ?? 0) / 1e9).toBeCloseTo(lost, 6)
    expect((row?.reserved_cost ?? 0) / 1e9).toBeCloseTo(
      left.reduce((sum, { cost }) => sum + cost, 0),
      6,
    )
    expect(row?.reserved_tokens).toBe(left.reduce((sum, { tokens }) => sum + tokens, 0))
  }
})

function sumOf({ cost, reserved_cost, unsettled_cost }: AccountRow): number {
  return cost + reserved_cost + unsettled_cost
}

test('a row and what it does to the books are stored together, once', () => {
  const { store, ledger, reserve, at } = openBooks()
  const costs = new CostLedger(store.write, pino({ enabled: false }), ledger)
  reserve('a', 1, 10, { session_id: 's' })
  const cost = costRecord({ reservation_id: 'a', cost: 0.25, tokens_in: 3, session_id: 's' })
  costs.record(cost)
  costs.record(cost)
  costs.record(costRecord({ cached: true, tokens_in: 1_000 }))
  costs.flush()
  expect(at('session', 's')).toMatchObject({ cost: 25e7, tokens: 3, reserved_cost: 0 })
  const rows = listCosts(store.read, { since: null, limit: 9, offset: 0 })
  expect(rows.map(({ session_id }) => session_id).sort()).toEqual([null, 's'])
})

test('lines that are not drawn follow from those that are', () => {
  const { budgets, treasury } = defaultConfig
  const lines = budgetLinesOf({
    budgets: { ...budgets, session: { soft_cost: 1, hard_cost: 2, soft_tokens: null, hard_tokens: 100 } },
    treasury: { ...treasury, daily_inference_budget: 10 },
  })
  expect(lines.day).toEqual({ cost: { soft: 8, hard: 10 }, tokens: noLine })
  expect(lines.session).toEqual({ cost: { soft: 1, hard: 2 }, tokens: { soft: 80, hard: 100 } })
  expect(lines.job).toEqual({ cost: noLine, tokens: noLine })
})

test('what earlier builds have spent counts from the first start on', () => {
  const { store } = temporaryStore()
  const db = store.write
  withoutBudgets(db)
  const insert = sql(
    db,
    `INSERT INTO inference_costs (id, model, provider, tokens_in, tokens_out, cost, cached, turn_id, created_at)
     VALUES (?, 'mock/m', 'mock', 3, 4, 0.5, ?, ?, ?)`,
  )
  sql(
    db,
    `INSERT INTO sessions (id, agent_id, scope_key, status, created_at, updated_at) VALUES ('s', 'a', 'k', 'active', '', '')`,
  ).run()
  sql(
    db,
    `INSERT INTO turns (id, session_id, status, request_json, created_at) VALUES ('t', 's', 'ok', '{}', '')`,
  ).run()
  const now = new Date().toISOString()
  insert.run('today', 0, 't', now)
  insert.run('cached', 1, 't', now)
  insert.run('long ago', 0, 't', '2020-01-01T00:00:00.000Z')
  budgetsMigration.up(db)
  const find = (scope: BudgetScope, key: string, period: string) => findBudgetAccount(db, { scope, key, period })
  expect(find('day', '', now.slice(0, 10))).toMatchObject({ cost: 5e8, tokens: 7 })
  expect(find('day', '', '2020-01-01')).toBeUndefined()
  expect(find('session', 's', '')).toMatchObject({ cost: 1e9, tokens: 14 })
})

function withoutBudgets(db: WritableDb): void {
  db.exec('DROP TABLE budget_accounts; DROP TABLE budget_reservations')
  for (const column of ['session_id', 'job_id', 'subagent_id', 'api_key'])
    db.exec(`ALTER TABLE inference_costs DROP COLUMN ${column}`)
}

test('old accounts go, and those of sessions that are no more', () => {
  const { store, settle, clock, at } = openBooks()
  settle({ cost: 1, session_id: 'gone', job_id: 'j' })
  clock.now += 2 * dayMs
  settle({ cost: 1, session_id: 'new' })
  expect(pruneBudgets(store.write, { day: '2026-03-05', limit: 10 })).toBe(3)
  expect([at('day'), at('job', 'j'), at('session', 'gone')]).toEqual([undefined, undefined, undefined])
  expect(at('session', 'new')).toMatchObject({ cost: 1e9 })
  expect(at('day', '', '2026-03-06')).toMatchObject({ cost: 1e9 })
})
