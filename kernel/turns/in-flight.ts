import { createHash } from 'node:crypto'
import { RuntimeError } from '#sdk/errors.ts'

/** A claim that its turn never released is void after this time. */
const claimMs = 120_000

/** The same for the same text in the same conversation. */
export function messageKey(conversation: readonly unknown[], text: string): string {
  return createHash('sha256')
    .update(`${JSON.stringify(conversation)}\0${text.trim()}`)
    .digest('base64')
}

/** Refuses the same message to the same conversation while it is being answered. */
export function openInFlight(now: () => number = Date.now) {
  const claims = new Map<string, number>()

  /** Takes the key, whoever has it; returns the release. */
  function hold(key: string): () => void {
    const mine = now() + claimMs
    claims.set(key, mine)
    return () => {
      if (claims.get(key) === mine) claims.delete(key)
    }
  }

  return {
    hold,
    /** Throws `rate_limited` when taken; otherwise returns the release. */
    claim(key: string): () => void {
      const until = claims.get(key)
      if (until !== undefined && until > now()) {
        throw new RuntimeError('rate_limited', 'duplicate_request', { reason: 'identical request already in flight' })
      }
      return hold(key)
    },
  }
}

export type InFlight = ReturnType<typeof openInFlight>
