import type { Migration } from '../migration.ts'

/** Calls outside a turn are on record too, and what waits for a person outlives the process. */
export const approvalsMigration: Migration = {
  version: 70,
  name: 'approvals',
  up: (db) =>
    db.exec(`
      CREATE TABLE approval_requests (
        id TEXT PRIMARY KEY,
        tool_name TEXT NOT NULL,
        tool_version TEXT NOT NULL,
        tool_input TEXT NOT NULL,
        subject TEXT NOT NULL,
        turn_id TEXT REFERENCES turns (id) ON DELETE CASCADE,
        seq INTEGER,
        session_id TEXT,
        agent_id TEXT,
        channel TEXT NOT NULL,
        requested_authority TEXT NOT NULL,
        risk_level TEXT NOT NULL,
        policy_rule TEXT NOT NULL,
        policy_reason TEXT,
        status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'denied', 'timed_out')),
        scope TEXT CHECK (scope IN ('once', 'session', 'always')),
        decided_by TEXT,
        decided_at TEXT,
        reason TEXT,
        used_at TEXT,
        timeout_at TEXT NOT NULL,
        created_at TEXT NOT NULL,
        UNIQUE (turn_id, seq)
      );
      CREATE INDEX approval_requests_pending ON approval_requests (timeout_at) WHERE status = 'pending';

      CREATE TABLE approval_grants (
        id TEXT PRIMARY KEY,
        subject TEXT NOT NULL,
        session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE,
        approval_id TEXT NOT NULL,
        tool_name TEXT NOT NULL,
        tool_input TEXT NOT NULL,
        decided_by TEXT NOT NULL,
        created_at TEXT NOT NULL
      );
      CREATE UNIQUE INDEX approval_grants_by_subject ON approval_grants (subject, ifnull(session_id, ''));

      CREATE TABLE tool_calls_new (
        id TEXT PRIMARY KEY,
        turn_id TEXT REFERENCES turns (id) ON DELETE CASCADE,
        seq INTEGER,
        tool_name TEXT NOT NULL,
        input TEXT NOT NULL,
        output TEXT,
        plugin TEXT,
        skill_id TEXT,
        skill_name TEXT,
        skill_hash TEXT,
        approval_id TEXT,
        channel TEXT,
        status TEXT NOT NULL,
        duration_ms INTEGER,
        created_at TEXT NOT NULL,
        UNIQUE (turn_id, seq)
      );
      INSERT INTO tool_calls_new (id, turn_id, seq, tool_name, input, output, skill_id, skill_name, skill_hash, status, duration_ms, created_at)
        SELECT id, turn_id, seq, tool_name, input, output, skill_id, skill_name, skill_hash, status, duration_ms, created_at
        FROM tool_calls ORDER BY rowid;
      DROP TABLE tool_calls;
      ALTER TABLE tool_calls_new RENAME TO tool_calls;

      ALTER TABLE policy_decisions ADD COLUMN approval_id TEXT;
    `),
}
