import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { RuntimeError } from '#sdk/errors.ts'
import { tooManyRequests } from './rate-limits.ts'
import { WindowCounter } from './window-counter.ts'

/** Wrong keys from one address within a window, before it is told to wait. */
const maxWrongKeys = 10
const wrongKeyWindowMs = 60_000
const maxAddresses = 10_000

/** A key as it was presented: only its digest travels on. */
export interface Credential {
  scheme: 'api_key' | 'bearer'
  digest: Buffer
}

/** `x-api-key` first; when it is there, `Authorization` is not looked at. Never the query, never a cookie. */
export function presentedCredential(headers: IncomingHttpHeaders): Credential | undefined {
  const apiKey = headers['x-api-key']
  if (apiKey !== undefined) return { scheme: 'api_key', digest: digestOfHeader(String(apiKey)) }
  const bearer = /^bearer +(.*)$/i.exec(headers.authorization ?? '')
  return bearer ? { scheme: 'bearer', digest: digestOfHeader(bearer[1] as string) } : undefined
}

/** Names who used a key, without telling the key. */
export function actorOf({ scheme, digest }: Credential): string {
  return `${scheme}:${digest.toString('hex', 0, 8)}`
}

/** Compares with the key of this moment, so that a rotation takes effect at once. An empty key opens nothing. */
export function createKeyCheck(apiKey: () => string): (credential: Credential) => boolean {
  let known = ''
  let digest = Buffer.alloc(0)
  return (credential) => {
    const current = apiKey()
    if (current === '') return false
    if (current !== known) {
      known = current
      digest = hash('sha256', current, 'buffer')
    }
    return timingSafeEqual(digest, credential.digest)
  }
}

/** Counts wrong keys by where they come from. The right key is never asked about, so guessing locks nobody out. */
export class WrongKeys {
  readonly #now: () => number
  readonly #counter = new WindowCounter(maxAddresses)
  #windowEnd = 0

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** The refusal for one more wrong key: `unauthorized`, or `rate_limited` once it came too often from there. */
  count(from: string): RuntimeError {
    const now = this.#now()
    if (now >= this.#windowEnd) {
      this.#windowEnd = now + wrongKeyWindowMs
      this.#counter.clear()
    }
    return this.#counter.take(from, maxWrongKeys) ? unauthorized() : tooManyRequests((this.#windowEnd - now) / 1000)
  }
}

export function unauthorized(): RuntimeError {
  return new RuntimeError('unauthorized', 'unauthorized', { message: 'Valid API key required' })
}

function digestOfHeader(value: string): Buffer {
  // Node reads header bytes as Latin-1; the digest is over the bytes.
  return hash('sha256', Buffer.from(value, 'latin1'), 'buffer')
}
