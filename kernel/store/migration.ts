import type { WritableDb } from './database.ts'

/** One step of the schema, run once, in a transaction with its number. */
export interface Migration {
  version: number
  name: string
  up(db: WritableDb): void
}
