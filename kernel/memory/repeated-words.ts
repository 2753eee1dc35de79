import type { ReadableDb } from '#kernel/store/database.ts'
import { findContextPlan } from '#kernel/store/turn-steps.ts'
import type { MemoryChanges } from '#sdk/services/memory.ts'

/** Whether a turn's model was reminded of what strangers, peers, tools or web pages said: it may have said it again. */
export function heardOthers(db: ReadableDb, turnId: string): boolean {
  return findContextPlan(db, turnId)?.memory.entries.some(({ trusted }) => !trusted) ?? false
}

/** What was not trusted does not become so by the agent's saying it again. */
export function withoutBorrowedTrust(db: ReadableDb, turnId: string, changes: MemoryChanges): MemoryChanges {
  if (!heardOthers(db, turnId)) return changes
  return { ...changes, add: changes.add.map((one) => (one.source === 'agent' ? { ...one, trusted: false } : one)) }
}
