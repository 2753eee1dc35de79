import type { Migration } from '../migration.ts'

export const sessionsMigration: Migration = {
  version: 10,
  name: 'sessions',
  up: (db) =>
    db.exec(`
      CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        agent_id TEXT NOT NULL,
        scope_key TEXT NOT NULL DEFAULT 'agent',
        status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived', 'expired')),
        model TEXT,
        nickname TEXT,
        nickname_source TEXT CHECK (nickname_source IN ('heuristic', 'model', 'user')),
        metadata TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        closed_at TEXT
      );
      CREATE UNIQUE INDEX sessions_one_active ON sessions (agent_id, scope_key) WHERE status = 'active';
      CREATE INDEX sessions_by_status ON sessions (status, updated_at);
      CREATE INDEX sessions_by_creation ON sessions (created_at);

      CREATE TABLE session_messages (
        id TEXT PRIMARY KEY,
        session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        parent_id TEXT,
        role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
        content TEXT NOT NULL,
        usage_json TEXT,
        turn_id TEXT,
        created_at TEXT NOT NULL
      );
      CREATE INDEX session_messages_by_session ON session_messages (session_id);
    `),
}
