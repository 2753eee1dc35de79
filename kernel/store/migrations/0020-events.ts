import type { Migration } from '../migration.ts'

export const eventsMigration: Migration = {
  version: 20,
  name: 'events',
  up: (db) =>
    db.exec(`
      CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        type TEXT NOT NULL,
        event_json TEXT NOT NULL
      );

      -- One row: the epoch names this database for ever; no sequence number above \`reserved\` was ever handed out.
      CREATE TABLE event_sequence (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch TEXT NOT NULL,
        reserved INTEGER NOT NULL
      );
      INSERT INTO event_sequence (id, epoch, reserved) VALUES (1, lower(hex(randomblob(8))), 0);
    `),
}
