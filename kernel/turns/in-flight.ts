import { createHash } from 'node:crypto'
import { RuntimeError } from '#sdk/errors.ts'

/** A claim that its turn never released is void after this time. */
const claimMs = 120_000

/** Refuses the same message to the same conversation while it is being answered. */
export function openInFlight(now: () => number = Date.now) {
  const claims = new Map<string, number>()

  return {
    /** Throws `rate_limited` when taken; otherwise returns the release. */
    claim(conversation: string, text: string): () => void {
      const key = createHash('sha256').update(`${conversation}\0${text.trim()}`).digest('base64')
      const until = claims.get(key)
      if (until !== undefined && until > now()) {
        throw new RuntimeError('rate_limited', 'duplicate_request', { reason: 'identical request already in flight' })
      }
      const mine = now() + claimMs
      claims.set(key, mine)
      return () => {
        if (claims.get(key) === mine) claims.delete(key)
      }
    },
  }
}

export type InFlight = ReturnType<typeof openInFlight>
