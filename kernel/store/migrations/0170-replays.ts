import type { Migration } from '../migration.ts'

export const replaysMigration: Migration = {
  version: 170,
  name: 'replays',
  up: (db) =>
    db.exec(`
      -- Recorded turns that were run again, for comparison.
      CREATE TABLE replays (
        id TEXT PRIMARY KEY,
        turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
        -- What was to be different, JSON.
        changes_json TEXT NOT NULL,
        -- What came of it, JSON: the answer and its steps, without secrets.
        result_json TEXT NOT NULL,
        notes_json TEXT NOT NULL DEFAULT '[]',
        status TEXT NOT NULL,
        model TEXT,
        tokens_in INTEGER NOT NULL,
        tokens_out INTEGER NOT NULL,
        cost REAL NOT NULL,
        latency_ms INTEGER NOT NULL,
        created_at TEXT NOT NULL
      );
      CREATE INDEX replays_by_turn ON replays (turn_id, created_at);
      CREATE INDEX replays_by_creation ON replays (created_at);
    `),
}
