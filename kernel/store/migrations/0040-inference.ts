import type { Migration } from '../migration.ts'

export const inferenceMigration: Migration = {
  version: 40,
  name: 'inference',
  up: (db) =>
    db.exec(`
      CREATE TABLE inference_costs (
        id TEXT PRIMARY KEY,
        model TEXT NOT NULL,
        provider TEXT NOT NULL,
        tokens_in INTEGER NOT NULL,
        tokens_out INTEGER NOT NULL,
        cost REAL NOT NULL,
        tier TEXT,
        cached INTEGER NOT NULL DEFAULT 0,
        latency_ms INTEGER,
        quality_score REAL,
        escalation INTEGER NOT NULL DEFAULT 0,
        estimated INTEGER NOT NULL DEFAULT 0,
        tokens_saved INTEGER NOT NULL DEFAULT 0,
        turn_id TEXT,
        created_at TEXT NOT NULL
      );
      CREATE INDEX inference_costs_by_creation ON inference_costs (created_at);
      CREATE INDEX inference_costs_by_turn ON inference_costs (turn_id);
      CREATE INDEX inference_costs_by_model ON inference_costs (model, created_at);

      CREATE TABLE semantic_cache (
        key TEXT PRIMARY KEY,
        scope TEXT NOT NULL,
        result_json TEXT NOT NULL,
        embedding BLOB,
        hit_count INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
      );
      CREATE INDEX semantic_cache_by_expiry ON semantic_cache (expires_at);

      CREATE TABLE breakers (
        provider TEXT PRIMARY KEY,
        breaker_json TEXT NOT NULL,
        updated_at TEXT NOT NULL
      );
    `),
}
