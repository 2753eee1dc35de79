import type { Migration } from '../migration.ts'

/**
 * The five tiers are one table, so that one text index and one set of vectors serve them all; the views show each tier
 * by the names that belong to it.
 */
export const memoryMigration: Migration = {
  version: 100,
  name: 'memory',
  up: (db) =>
    db.exec(`
      CREATE TABLE memories (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        tier TEXT NOT NULL CHECK (tier IN ('working', 'episodic', 'semantic', 'procedural', 'relationship')),
        category TEXT NOT NULL,
        key TEXT,
        name TEXT,
        content TEXT NOT NULL,
        search_terms TEXT NOT NULL DEFAULT '',
        importance INTEGER NOT NULL DEFAULT 5 CHECK (importance BETWEEN 1 AND 10),
        confidence REAL NOT NULL DEFAULT 1 CHECK (confidence BETWEEN 0 AND 1),
        mentions INTEGER NOT NULL DEFAULT 1,
        successes INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'superseded', 'dropped')),
        state_reason TEXT,
        superseded_by TEXT,
        agent_id TEXT NOT NULL,
        scope_key TEXT NOT NULL,
        session_id TEXT,
        turn_id TEXT,
        message_id TEXT,
        source TEXT NOT NULL CHECK (source IN ('user', 'agent', 'tool', 'peer', 'stranger', 'import', 'keel')),
        trusted INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
      );
      CREATE UNIQUE INDEX memories_one_value ON memories (agent_id, scope_key, tier, category, key)
        WHERE state = 'active' AND key IS NOT NULL;
      CREATE INDEX memories_by_importance ON memories (tier, state, importance DESC, created_at DESC);
      CREATE INDEX memories_by_confidence ON memories (tier, state, category, confidence DESC, updated_at DESC);
      CREATE INDEX memories_best_known ON memories (confidence DESC, updated_at DESC)
        WHERE tier = 'semantic' AND state = 'active';
      CREATE INDEX memories_superseded ON memories (superseded_by) WHERE superseded_by IS NOT NULL;
      CREATE INDEX memories_by_session ON memories (session_id, seq) WHERE session_id IS NOT NULL;
      CREATE INDEX memories_by_scope ON memories (agent_id, scope_key, seq);
      CREATE INDEX memories_by_turn ON memories (turn_id) WHERE turn_id IS NOT NULL;

      CREATE VIEW working_memory AS
        SELECT id, session_id, category AS entry_type, content, importance, created_at
        FROM memories WHERE tier = 'working' AND state = 'active';
      CREATE VIEW episodic_memory AS
        SELECT id, category AS classification, content, importance, session_id, created_at
        FROM memories WHERE tier = 'episodic' AND state = 'active';
      CREATE VIEW semantic_memory AS
        SELECT id, category, key, content AS value, confidence, created_at, updated_at
        FROM memories WHERE tier = 'semantic' AND state = 'active';
      CREATE VIEW procedural_memory AS
        SELECT id, key AS name, content AS steps, successes AS success_count, failures AS failure_count, created_at, updated_at
        FROM memories WHERE tier = 'procedural' AND state = 'active';
      CREATE VIEW relationship_memory AS
        SELECT id, key AS entity_id, name AS entity_name, confidence AS trust_score, content AS interaction_summary,
          mentions AS interaction_count, updated_at AS last_interaction, created_at
        FROM memories WHERE tier = 'relationship' AND state = 'active';

      CREATE VIRTUAL TABLE memory_fts USING fts5(
        content, category, key, name, search_terms,
        content = 'memories', content_rowid = 'seq', tokenize = 'porter unicode61 remove_diacritics 2'
      );
      -- What is deleted leaves the index at once, and not only at some later merge.
      INSERT INTO memory_fts (memory_fts, rank) VALUES ('secure-delete', 1);
      CREATE VIRTUAL TABLE memory_terms USING fts5vocab('memory_fts', 'row');
      CREATE TRIGGER memories_inserted AFTER INSERT ON memories BEGIN
        INSERT INTO memory_fts (rowid, content, category, key, name, search_terms)
        VALUES (new.seq, new.content, new.category, new.key, new.name, new.search_terms);
      END;
      CREATE TRIGGER memories_deleted AFTER DELETE ON memories BEGIN
        INSERT INTO memory_fts (memory_fts, rowid, content, category, key, name, search_terms)
        VALUES ('delete', old.seq, old.content, old.category, old.key, old.name, old.search_terms);
      END;
      CREATE TRIGGER memories_updated AFTER UPDATE OF content, category, key, name, search_terms ON memories BEGIN
        INSERT INTO memory_fts (memory_fts, rowid, content, category, key, name, search_terms)
        VALUES ('delete', old.seq, old.content, old.category, old.key, old.name, old.search_terms);
        INSERT INTO memory_fts (rowid, content, category, key, name, search_terms)
        VALUES (new.seq, new.content, new.category, new.key, new.name, new.search_terms);
      END;

      -- Float32, little-endian. A row of another model, or none, is made anew in the background.
      CREATE TABLE embeddings (
        seq INTEGER PRIMARY KEY REFERENCES memories (seq) ON DELETE CASCADE,
        model TEXT NOT NULL,
        dimensions INTEGER NOT NULL,
        embedding BLOB NOT NULL,
        created_at TEXT NOT NULL
      );
      -- A changed text needs a vector of its own.
      CREATE TRIGGER embeddings_outdated AFTER UPDATE OF content ON memories WHEN old.content IS NOT new.content BEGIN
        DELETE FROM embeddings WHERE seq = old.seq;
      END;

      -- Turns whose memories are still to be made; gone with the transaction that keeps them.
      CREATE TABLE memory_ingest (
        turn_id TEXT PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before TEXT NOT NULL,
        last_error TEXT,
        created_at TEXT NOT NULL
      );
      CREATE INDEX memory_ingest_due ON memory_ingest (not_before, created_at);
    `),
}
