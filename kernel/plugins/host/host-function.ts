import type { Grants } from '../grants.ts'

/** One call of a guest, as the functions see it that are performed for it. */
export interface HostSession {
  plugin: string
  grants: Pick<Grants, 'hosts' | 'secrets'>
  /** The functions that it may use, as `http.fetch`. */
  allowed: ReadonlySet<string>
  signal: AbortSignal
  /** How many calls of host functions are left to it. */
  left: number
  /** How often each was used, and for how many milliseconds. */
  used: Map<string, { count: number; ms: number }>
  /** Something was changed for the call: it may not be run again by itself. */
  effects: boolean
}

/** Performs one function for a call whose plugin was granted it; arguments are whatever the guest gave. */
export type HostFunction = (args: readonly unknown[], session: HostSession) => unknown
