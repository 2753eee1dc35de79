import type { Migration } from '../migration.ts'

export const channelsMigration: Migration = {
  version: 130,
  name: 'channels',
  up: (db) =>
    db.exec(`
      -- Verified webhooks whose bodies are still to be read.
      CREATE TABLE channel_webhooks (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        channel TEXT NOT NULL,
        body TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before TEXT NOT NULL,
        last_error TEXT,
        created_at TEXT NOT NULL
      );
      CREATE INDEX channel_webhooks_by_channel ON channel_webhooks (channel, seq);

      -- What came in, each update once.
      CREATE TABLE channel_inbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        channel TEXT NOT NULL,
        external_id TEXT NOT NULL,
        chat_id TEXT NOT NULL,
        thread_id TEXT,
        sender_id TEXT NOT NULL,
        update_json TEXT NOT NULL,
        -- new: to be handled; working: its turn is under way; done: what it asked for is in the outbox, or was nothing.
        state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'working', 'done')),
        -- Why nothing came of it.
        reason TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before TEXT NOT NULL,
        turn_id TEXT,
        session_id TEXT,
        -- The message in which the answer is shown while it is written.
        draft_message_id TEXT,
        created_at TEXT NOT NULL,
        handled_at TEXT,
        UNIQUE (channel, external_id)
      );
      -- In order for each conversation.
      CREATE INDEX channel_inbox_new ON channel_inbox (channel, chat_id, thread_id, seq) WHERE state = 'new';
      CREATE INDEX channel_inbox_working ON channel_inbox (channel, seq) WHERE state = 'working';
      CREATE INDEX channel_inbox_by_turn ON channel_inbox (turn_id) WHERE turn_id IS NOT NULL;
      CREATE INDEX channel_inbox_by_age ON channel_inbox (handled_at) WHERE state = 'done';
      CREATE INDEX channel_inbox_strangers ON channel_inbox (handled_at) WHERE reason = 'stranger';
      CREATE INDEX channel_inbox_by_chat ON channel_inbox (channel, chat_id, seq);
      CREATE INDEX channel_inbox_by_sender ON channel_inbox (channel, sender_id, seq);

      -- What goes out, kept before it is sent.
      CREATE TABLE channel_outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        channel TEXT NOT NULL,
        chat_id TEXT NOT NULL,
        thread_id TEXT,
        -- Names what it is for: the same is sent once.
        idempotency_key TEXT NOT NULL UNIQUE,
        content TEXT NOT NULL,
        subject TEXT,
        reply_to TEXT,
        replaces TEXT,
        attachments_json TEXT NOT NULL DEFAULT '[]',
        buttons_json TEXT NOT NULL DEFAULT '[]',
        status TEXT NOT NULL DEFAULT 'pending'
          CHECK (status IN ('pending', 'in_flight', 'delivered', 'dead_letter', 'discarded')),
        attempts INTEGER NOT NULL DEFAULT 0,
        max_attempts INTEGER NOT NULL DEFAULT 5,
        next_retry_at TEXT NOT NULL,
        parts_sent INTEGER NOT NULL DEFAULT 0,
        -- The platform's ids of the parts, JSON.
        message_ids_json TEXT NOT NULL DEFAULT '[]',
        last_error TEXT,
        error_code TEXT,
        session_id TEXT,
        turn_id TEXT,
        created_at TEXT NOT NULL,
        delivered_at TEXT
      );
      -- One at a time for each conversation, in order.
      CREATE INDEX channel_outbox_open ON channel_outbox (channel, chat_id, thread_id, seq)
        WHERE status IN ('pending', 'in_flight');
      CREATE INDEX channel_outbox_dead ON channel_outbox (seq DESC) WHERE status = 'dead_letter';
      CREATE INDEX channel_outbox_done ON channel_outbox (delivered_at) WHERE status IN ('delivered', 'discarded');

      CREATE TABLE channel_cursors (channel TEXT PRIMARY KEY, cursor TEXT, updated_at TEXT NOT NULL);

      -- People who have shown a code that the operator gave them.
      CREATE TABLE channel_peers (
        id TEXT PRIMARY KEY,
        channel TEXT NOT NULL,
        sender_id TEXT NOT NULL,
        sender_name TEXT,
        chat_id TEXT NOT NULL,
        authority TEXT NOT NULL,
        paired_at TEXT NOT NULL,
        UNIQUE (channel, sender_id)
      );
      CREATE TABLE pairing_codes (
        -- A digest: the code itself is shown once and kept nowhere.
        code_hash TEXT PRIMARY KEY,
        channel TEXT NOT NULL,
        authority TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        created_at TEXT NOT NULL
      );
    `),
}
