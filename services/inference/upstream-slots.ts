import { RuntimeError } from '#sdk/errors.ts'

/** How many calls to one provider may be under way at once, and how many may wait for their turn. */
const maxConcurrentCalls = 256
const maxWaitingCalls = 1_024

/** A bounded number of places; who finds none waits in line. */
export function upstreamSlots(limit = maxConcurrentCalls, maxWaiting = maxWaitingCalls) {
  let taken = 0
  const waiting = new Set<() => void>()

  function release() {
    const [next] = waiting
    if (next) next()
    else taken -= 1
  }

  return {
    /** Settles with the function that gives the place back; rejects with the reason of whichever signal is aborted. */
    async take(...signals: AbortSignal[]): Promise<() => void> {
      if (taken < limit) {
        taken += 1
        return release
      }
      const signal = AbortSignal.any(signals)
      signal.throwIfAborted()
      if (waiting.size >= maxWaiting) throw new RuntimeError('unavailable', 'Too many model calls are waiting')
      await new Promise<void>((resolve, reject) => {
        const onAbort = () => {
          waiting.delete(wake)
          reject(signal.reason)
        }
        const wake = () => {
          waiting.delete(wake)
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        waiting.add(wake)
        signal.addEventListener('abort', onAbort, { once: true })
      })
      return release
    },
  }
}

type UpstreamSlots = ReturnType<typeof upstreamSlots>

/** Each provider has places of its own: one that hangs fills no other's. */
export function slotsByProvider(): (provider: string) => UpstreamSlots {
  const known = new Map<string, UpstreamSlots>()
  return (provider) => {
    const slots = known.get(provider) ?? upstreamSlots()
    known.set(provider, slots)
    return slots
  }
}
