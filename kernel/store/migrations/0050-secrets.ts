import type { Migration } from '../migration.ts'

export const secretsMigration: Migration = {
  version: 50,
  name: 'secrets',
  up: (db) =>
    db.exec(`
      CREATE TABLE secrets (
        name TEXT PRIMARY KEY,
        sealed BLOB NOT NULL,
        updated_at TEXT NOT NULL
      );
      CREATE TABLE identity (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
      );
    `),
}
