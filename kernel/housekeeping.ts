import type { Logger } from 'pino'
import type { Memory } from './memory/memory.ts'
import { pruneCache } from './store/inference-state.ts'
import type { Store } from './store/store.ts'

const everyMs = 600_000

/** What must be tidied now and then. Returns the way to stop. */
export function startHousekeeping({
  store,
  memory,
  log,
}: {
  store: Pick<Store, 'write'>
  memory: Pick<Memory, 'tidy'>
  log: Logger
}): () => void {
  function tidy() {
    try {
      const expired = pruneCache(store.write)
      if (expired > 0) log.debug({ expired }, 'expired answers were removed from the cache')
      memory.tidy()
    } catch (err) {
      log.warn({ err }, 'housekeeping failed')
    }
  }
  const timer = setInterval(tidy, everyMs)
  return () => clearInterval(timer)
}
