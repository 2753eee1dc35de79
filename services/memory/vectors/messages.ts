import type { Filter } from '../filter.ts'

/** What the thread is asked for, by name: what goes in, and what comes back. */
export interface ThreadCalls {
  /** Forgets what it holds and loads all vectors of this model. */
  use: { params: { model: string; dimensions: number | null }; result: null }
  /** Looks at these entries again: some are new, some changed, some gone. */
  refresh: { params: { seqs: readonly number[] }; result: null }
  nearest: { params: { vector: Float32Array; limit: number; filter: Filter }; result: Nearest }
}

export interface Nearest {
  hits: { seq: number; similarity: number }[]
  counts: Counts
}

export interface Counts {
  /** Entries that are in the index. */
  indexed: number
  /** Entries that there are. */
  total: number
}

export type ThreadRequest = {
  [K in keyof ThreadCalls]: { id: number; call: K; params: ThreadCalls[K]['params'] }
}[keyof ThreadCalls]

/** What the thread says: an answer, or news. */
export type ThreadMessage =
  | { id: number; result: unknown }
  | { id: number; error: string }
  | { counts: Counts }
  /** Entries whose stored vectors are none. */
  | { corrupt: number[] }
