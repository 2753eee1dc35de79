import type { Migration } from '../migration.ts'

export const retentionMigration: Migration = {
  version: 180,
  name: 'retention',
  up: (db) =>
    db.exec(`
      CREATE TABLE retention_runs (
        id TEXT PRIMARY KEY,
        started_by TEXT NOT NULL CHECK (started_by IN ('housekeeping', 'job', 'operator')),
        started_at TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        -- How many of each kind went.
        removed_json TEXT NOT NULL,
        freed_bytes INTEGER NOT NULL,
        file_bytes INTEGER NOT NULL,
        error TEXT
      );

      -- Up to which row a kind was seen to already: what is emptied in place stays where it is.
      CREATE TABLE retention_marks (kind TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
    `),
}
