import type { z } from 'zod'
import { RuntimeError } from '../errors.ts'

/** How many chunks may be under way before the reader has taken the first of them. */
export const creditWindow = 64

/** The sender's side: `take` settles once the reader has room for one more chunk. */
export function chunkCredit(initial: number, signal: AbortSignal) {
  let room = initial
  let wake: (() => void) | undefined
  signal.addEventListener('abort', () => wake?.(), { once: true })

  return {
    add(chunks: number) {
      if (Number.isFinite(chunks) && chunks > 0) room += chunks
      wake?.()
    },
    async take() {
      while (room <= 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      signal.throwIfAborted()
      room -= 1
    },
  }
}

/** The reader's side: hands chunks on one at a time, in order, and gives room back as they are taken. */
export function chunkReader(
  schema: z.ZodType,
  onChunk: ((chunk: unknown) => unknown) | undefined,
  { onRoom, onFailure }: { onRoom: (chunks: number) => void; onFailure: (thrown: unknown) => void },
) {
  let queue = Promise.resolve()
  let taken = 0
  let failed = false

  async function take(raw: unknown) {
    if (failed) return
    const chunk = schema.safeParse(raw)
    if (!chunk.success) throw new RuntimeError('internal', 'A chunk is not what the contract says')
    await onChunk?.(chunk.data)
    taken += 1
    if (taken < creditWindow / 2) return
    onRoom(taken)
    taken = 0
  }

  return {
    push(raw: unknown) {
      queue = queue
        .then(() => take(raw))
        .catch((thrown) => {
          failed = true
          onFailure(thrown)
        })
    },
    /** Settles when every chunk before the result has been taken. */
    finished: () => queue,
    /** Chunks still queued are dropped; the one being taken is not waited for. */
    stop() {
      failed = true
    },
  }
}
