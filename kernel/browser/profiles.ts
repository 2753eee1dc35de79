import type { SealedStore } from '#kernel/secrets/sealed-store.ts'
import { RuntimeError } from '#sdk/errors.ts'

export const maxProfiles = 50
const maxProfileBytes = 4_194_304
const prefix = 'browser-profile/'

/** Cookies and storage of the browser that outlive its sessions: sealed, each under a name. */
export class BrowserProfiles {
  readonly #sealed: SealedStore

  constructor(sealed: SealedStore) {
    this.#sealed = sealed
  }

  names(): string[] {
    return this.#sealed
      .names()
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
  }

  load(profile: string): string | null {
    return this.#sealed.get(prefix + profile) ?? null
  }

  /** Throws `conflict` for one more than there may be. */
  requireRoom(profile: string): void {
    const names = this.names()
    if (names.length >= maxProfiles && !names.includes(profile))
      throw new RuntimeError('conflict', `profile: there are ${maxProfiles} already; delete one first`)
  }

  save(profile: string, state: string): void {
    this.requireRoom(profile)
    this.#sealed.put(prefix + profile, state, { maxBytes: maxProfileBytes })
  }

  /** `not_found` where there is none. */
  delete(profile: string): void {
    if (!this.#sealed.delete(prefix + profile)) throw new RuntimeError('not_found', `profile '${profile}' not found`)
  }
}
