import type { Migration } from '../migration.ts'

export const traceIdsMigration: Migration = {
  version: 190,
  name: 'trace-ids',
  // 32 hexadecimal digits; turns of earlier builds have none.
  up: (db) => db.exec('ALTER TABLE turns ADD COLUMN trace_id TEXT'),
}
