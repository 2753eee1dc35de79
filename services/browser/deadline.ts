import { RuntimeError } from '#sdk/errors.ts'

/** Ends with the signal, whether the work heeds it or not; what the work still brings is nobody's. */
export async function untilAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const done = work()
  done.catch(() => {})
  try {
    return await Promise.race([done, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** As `untilAborted`, after so long: `timeout`. */
export async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new RuntimeError('timeout')), ms)
  try {
    return await untilAborted(controller.signal, work)
  } finally {
    clearTimeout(timer)
  }
}
