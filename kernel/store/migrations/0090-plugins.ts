import type { Migration } from '../migration.ts'

export const pluginsMigration: Migration = {
  version: 90,
  name: 'plugins',
  up: (db) =>
    db.exec(`
      CREATE TABLE plugins (
        name TEXT PRIMARY KEY,
        version TEXT NOT NULL,
        enabled INTEGER,
        granted_json TEXT NOT NULL DEFAULT '[]',
        settings_json TEXT NOT NULL DEFAULT '{}',
        disabled_reason TEXT,
        installed_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
      );
      CREATE TABLE plugin_values (
        plugin TEXT NOT NULL REFERENCES plugins (name) ON DELETE CASCADE,
        key TEXT NOT NULL,
        value_json TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        updated_at TEXT NOT NULL,
        PRIMARY KEY (plugin, key)
      ) WITHOUT ROWID;
    `),
}
