import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import { CostLedger } from '#kernel/inference/cost-ledger.ts'
import { listCosts } from '#kernel/store/costs.ts'
import { noAccount } from '#sdk/budgets.ts'
import type { CostRecord } from '#sdk/services/kernel.ts'
import { temporaryStore } from '../support/temp-store.ts'

const silent = pino({ level: 'silent' })
const unbudgeted = { book: () => [], announce: () => {} }

function cost(id: string): CostRecord {
  return {
    id,
    model: 'mock/test-model',
    provider: 'mock',
    tokens_in: 1,
    tokens_out: 2,
    cost: 0.5,
    tier: null,
    cached: false,
    latency_ms: 3,
    quality_score: null,
    escalation: false,
    estimated: false,
    cache_level: null,
    tokens_saved: 0,
    turn_id: null,
    ...noAccount,
    reservation_id: null,
  }
}

test('costs are written together a moment later, each once, and at once for who asks', async () => {
  const { store } = temporaryStore()
  const ledger = new CostLedger(store.write, silent, unbudgeted)
  const ids = () => listCosts(store.read, { since: null, limit: 10, offset: 0 }).map(({ id }) => id)
  ledger.record(cost('a'))
  ledger.record(cost('b'))
  ledger.record(cost('a'))
  expect(ids()).toEqual([])
  await vi.waitUntil(() => ids().length > 0)
  expect(ids().sort()).toEqual(['a', 'b'])
  ledger.record(cost('c'))
  ledger.flush()
  expect(ids().sort()).toEqual(['a', 'b', 'c'])
})

test('while the database takes nothing, costs are kept and written when it does again', async () => {
  const { store } = temporaryStore()
  const ledger = new CostLedger(store.write, silent, unbudgeted)
  store.write.pragma('query_only = ON')
  onTestFinished(() => void store.write.pragma('query_only = OFF'))
  ledger.record(cost('a'))
  ledger.flush()
  expect(listCosts(store.read, { since: null, limit: 10, offset: 0 })).toEqual([])
  store.write.pragma('query_only = OFF')
  ledger.record(cost('b'))
  ledger.flush()
  expect(
    listCosts(store.read, { since: null, limit: 10, offset: 0 })
      .map(({ id }) => id)
      .sort(),
  ).toEqual(['a', 'b'])
})
