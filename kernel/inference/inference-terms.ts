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

/** What the inference service may ask of the kernel. */
export function inferenceTerms({
  store,
  costs,
  bus,
  settings,
}: {
  store: Store
  costs: CostLedger
  bus: EventBus
  settings: () => InferenceSettings
}): ServiceHandlers<typeof kernelForInference> {
  return {
    start: () => ({
      settings: settings(),
      breakers: listBreakers(store.read),
      observations: recentQuality(store.read, observationsPerModel),
      grades: recentGrades(store.read, maxGrades),
      cache: listCacheEntries(store.read, warmCacheEntries),
    }),
    recordCost(cost) {
      costs.record(cost)
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
