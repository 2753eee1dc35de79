import type { Migration } from '../migration.ts'

/** A standing approval holds for who was trusted as much as the one it was given for; a call is found by its approval. */
export const approvalGrantsMigration: Migration = {
  version: 100,
  name: 'approval-grants',
  up: (db) =>
    db.exec(`
      ALTER TABLE approval_grants ADD COLUMN authority TEXT NOT NULL DEFAULT 'Creator';
      DROP INDEX approval_grants_by_subject;
      CREATE UNIQUE INDEX approval_grants_by_subject ON approval_grants (subject, ifnull(session_id, ''), authority);
      CREATE INDEX tool_calls_by_approval ON tool_calls (approval_id) WHERE approval_id IS NOT NULL;
    `),
}
