import type { Migration } from '../migration.ts'

/** What a model has said of a turn, a session or a period, the newest of each; and what nobody wants to be advised again. */
export const analysesMigration: Migration = {
  version: 160,
  name: 'analyses',
  up: (db) =>
    db.exec(`
      CREATE TABLE analyses (
        kind TEXT NOT NULL CHECK (kind IN ('turn', 'session', 'recommendations')),
        -- The id of the turn or session, or the period.
        subject_id TEXT NOT NULL,
        -- It goes with what it is about.
        turn_id TEXT REFERENCES turns (id) ON DELETE CASCADE,
        session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE,
        model TEXT NOT NULL,
        -- What the model answered, as its schema has it.
        result_json TEXT NOT NULL,
        -- What the subject was like; it has changed since where this differs.
        basis TEXT NOT NULL,
        tokens_in INTEGER NOT NULL,
        tokens_out INTEGER NOT NULL,
        cost REAL NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (kind, subject_id)
      ) WITHOUT ROWID;
      CREATE INDEX analyses_by_turn ON analyses (turn_id) WHERE turn_id IS NOT NULL;
      CREATE INDEX analyses_by_session ON analyses (session_id) WHERE session_id IS NOT NULL;
      CREATE INDEX analyses_by_creation ON analyses (created_at);

      CREATE TABLE recommendation_dismissals (
        id TEXT PRIMARY KEY,
        dismissed_at TEXT NOT NULL
      ) WITHOUT ROWID;
    `),
}
