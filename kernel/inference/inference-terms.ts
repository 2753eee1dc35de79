import { setImmediate as nextTick } from 'node:timers/promises'
import type { BudgetLedger } from '#kernel/budgets/ledger.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import { recentQuality } from '#kernel/store/costs.ts'
import { recentGrades } from '#kernel/store/feedback.ts'
import { listBreakers, listCacheEntries, saveBreaker, saveCacheEntry } from '#kernel/store/inference-state.ts'
import type { Store } from '#kernel/store/store.ts'
import type { ServiceHandlers } from '#sdk/service.ts'
import type { InferenceSettings } from '#sdk/services/inference.ts'
import type { kernelForInference } from '#sdk/services/kernel.ts'
import type { CostLedger } from './cost-ledger.ts'

/** How many quality scores of each model the router begins with. */
const observationsPerModel = 100
/** How many grades it begins with, of all models together. */
const maxGrades = 2_000
/** How many cached answers a new process is given, newest first. */
const warmCacheEntries = 500
/** How long what was set aside for a call waits to be given back to a database that takes no writes, in milliseconds. */
const releaseMs = 600_000

/** What the inference service may ask of the kernel. */
export function inferenceTerms({
  store,
  costs,
  budgets,
  bus,
  settings,
}: {
  store: Store
  costs: CostLedger
  budgets: BudgetLedger
  bus: EventBus
  settings: () => InferenceSettings
}): ServiceHandlers<typeof kernelForInference> {
  /** What was told before is in the books: calls are taken at once, and notices a moment later. */
  async function readBooks(): Promise<void> {
    await nextTick()
    await store.free()
    costs.flush()
  }

  return {
    async start({ holder, pid }) {
      // The last words of the one before are among them.
      await readBooks()
      budgets.addHolder(holder, pid)
      return {
        settings: settings(),
        breakers: listBreakers(store.read),
        observations: recentQuality(store.read, observationsPerModel),
        grades: recentGrades(store.read, maxGrades),
        cache: listCacheEntries(store.read, warmCacheEntries),
      }
    },
    recordCost(cost) {
      costs.record(cost)
      return null
    },
    async budgetStandings({ account }) {
      await readBooks()
      return { standings: budgets.standings(account) }
    },
    async reserveBudget(request, { signal }) {
      await readBooks()
      // Who has given up has told that it is to be released, which may have come first.
      signal.throwIfAborted()
      return { refusal: budgets.reserve(request) }
    },
    async releaseBudget({ id }) {
      await store.insist(() => budgets.release(id), releaseMs)
      return null
    },
    noteHardLine(refusal) {
      budgets.noteHardLine(refusal)
      return null
    },
    saveBreaker({ breaker, from, reason }) {
      saveBreaker(store.write, breaker)
      bus.publish('breaker_changed', {
        provider: breaker.provider,
        from,
        to: breaker.state,
        state: breaker.state,
        reason,
      })
      return null
    },
    saveCacheEntry(entry) {
      saveCacheEntry(store.write, entry)
      return null
    },
  }
}
