import type { Migration } from '../migration.ts'

export const skillsMigration: Migration = {
  version: 80,
  name: 'skills',
  up: (db) =>
    db.exec(`
      CREATE TABLE skills (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('structured', 'instruction', 'scripted', 'builtin')),
        description TEXT,
        source_path TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        triggers_json TEXT,
        tool_chain_json TEXT,
        policy_overrides_json TEXT,
        script_path TEXT,
        risk_level TEXT NOT NULL DEFAULT 'Caution' CHECK (risk_level IN ('Safe', 'Caution', 'Dangerous', 'Forbidden')),
        enabled INTEGER NOT NULL DEFAULT 1,
        version TEXT NOT NULL DEFAULT '0.0.0',
        author TEXT NOT NULL DEFAULT 'local',
        registry_source TEXT NOT NULL DEFAULT 'local',
        trusted_hash TEXT,
        last_loaded_at TEXT,
        created_at TEXT NOT NULL
      );
    `),
}
