import type { Migration } from '../migration.ts'

export const turnsMigration: Migration = {
  version: 30,
  name: 'turns',
  up: (db) =>
    db.exec(`
      CREATE TABLE turns (
        id TEXT PRIMARY KEY,
        session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        user_message_id TEXT,
        assistant_message_id TEXT,
        status TEXT NOT NULL CHECK (status IN ('running', 'ok', 'error', 'blocked', 'limit', 'interrupted', 'appended')),
        attempt INTEGER NOT NULL DEFAULT 0,
        request_json TEXT NOT NULL,
        thinking TEXT,
        tokens_in INTEGER,
        tokens_out INTEGER,
        cost REAL,
        model TEXT,
        latency_ms INTEGER,
        cached INTEGER NOT NULL DEFAULT 0,
        react_turns INTEGER NOT NULL DEFAULT 0,
        error TEXT,
        created_at TEXT NOT NULL
      );
      CREATE INDEX turns_by_session ON turns (session_id);
      CREATE INDEX turns_running ON turns (status) WHERE status = 'running';

      CREATE TABLE turn_steps (
        turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('context', 'inference', 'tool')),
        status TEXT NOT NULL CHECK (status IN ('started', 'done')),
        attempt INTEGER NOT NULL,
        step_json TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        PRIMARY KEY (turn_id, seq)
      ) WITHOUT ROWID;

      CREATE TABLE context_snapshots (
        turn_id TEXT PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
        complexity_level TEXT NOT NULL CHECK (complexity_level IN ('L0', 'L1', 'L2', 'L3')),
        complexity_score REAL NOT NULL,
        token_budget INTEGER NOT NULL,
        system_prompt_tokens INTEGER NOT NULL,
        memory_tokens INTEGER NOT NULL,
        history_tokens INTEGER NOT NULL,
        history_depth INTEGER NOT NULL,
        tool_definition_tokens INTEGER NOT NULL,
        dropped_history INTEGER NOT NULL,
        created_at TEXT NOT NULL
      );

      CREATE TABLE tool_calls (
        id TEXT PRIMARY KEY,
        turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        tool_name TEXT NOT NULL,
        input TEXT NOT NULL,
        output TEXT,
        skill_id TEXT,
        skill_name TEXT,
        skill_hash TEXT,
        status TEXT NOT NULL,
        duration_ms INTEGER,
        created_at TEXT NOT NULL,
        UNIQUE (turn_id, seq)
      );

      CREATE TABLE policy_decisions (
        id TEXT PRIMARY KEY,
        turn_id TEXT,
        tool_name TEXT NOT NULL,
        decision TEXT NOT NULL CHECK (decision IN ('allow', 'deny', 'gate')),
        rule_name TEXT,
        reason TEXT,
        authority TEXT,
        risk_level TEXT,
        context_json TEXT NOT NULL,
        created_at TEXT NOT NULL
      );
      CREATE INDEX policy_decisions_by_turn ON policy_decisions (turn_id);

      CREATE TABLE model_selection_events (
        id TEXT PRIMARY KEY,
        turn_id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        channel TEXT NOT NULL,
        selected_model TEXT NOT NULL,
        executed_model TEXT,
        strategy TEXT NOT NULL,
        primary_model TEXT NOT NULL,
        override_model TEXT,
        complexity TEXT,
        user_excerpt TEXT NOT NULL,
        candidates_json TEXT NOT NULL,
        metascore_json TEXT,
        created_at TEXT NOT NULL
      );
      CREATE INDEX model_selections_by_turn ON model_selection_events (turn_id);
      CREATE INDEX model_selections_by_creation ON model_selection_events (created_at);

      CREATE TABLE turn_feedback (
        id TEXT PRIMARY KEY,
        turn_id TEXT NOT NULL UNIQUE REFERENCES turns (id) ON DELETE CASCADE,
        session_id TEXT NOT NULL,
        grade INTEGER NOT NULL CHECK (grade BETWEEN 1 AND 5),
        source TEXT NOT NULL DEFAULT 'dashboard',
        comment TEXT,
        created_at TEXT NOT NULL
      );
      CREATE INDEX turn_feedback_by_session ON turn_feedback (session_id);
    `),
}
