import { timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface PluginRow {
  name: string
  version: string
  /** null: nobody has decided yet. */
  enabled: boolean | null
  /** Permissions that an operator has given it. */
  granted: string[]
  settings: Record<string, unknown>
  /** Why Keel itself has disabled it. */
  disabled_reason: string | null
  installed_at: string
  updated_at: string
}

interface StoredPlugin {
  name: string
  version: string
  enabled: number | null
  granted_json: string
  settings_json: string
  disabled_reason: string | null
  installed_at: string
  updated_at: string
}

function toPlugin({ enabled, granted_json, settings_json, ...row }: StoredPlugin): PluginRow {
  return {
    ...row,
    enabled: enabled === null ? null : enabled === 1,
    granted: JSON.parse(granted_json) as string[],
    settings: JSON.parse(settings_json) as Record<string, unknown>,
  }
}

export function findPluginRow(db: ReadableDb, name: string): PluginRow | undefined {
  const row = sql(db, 'SELECT * FROM plugins WHERE name = ?').get(name) as StoredPlugin | undefined
  return row && toPlugin(row)
}

/** What an operator has decided about the plugin of that name stays. */
export function savePlugin(db: WritableDb, plugin: { name: string; version: string }): PluginRow {
  const row = sql(
    db,
    `INSERT INTO plugins (name, version, installed_at, updated_at) VALUES (@name, @version, @now, @now)
     ON CONFLICT (name) DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at RETURNING *`,
  ).get({ ...plugin, now: timestamp() }) as StoredPlugin
  return toPlugin(row)
}

export function setPluginEnabled(
  db: WritableDb,
  name: string,
  { enabled, granted, reason = null }: { enabled: boolean; granted: readonly string[]; reason?: string | null },
): void {
  sql(db, 'UPDATE plugins SET enabled = ?, granted_json = ?, disabled_reason = ?, updated_at = ? WHERE name = ?').run(
    Number(enabled),
    JSON.stringify(granted),
    reason,
    timestamp(),
    name,
  )
}

export function setPluginSettings(db: WritableDb, name: string, settings: Record<string, unknown>): void {
  sql(db, 'UPDATE plugins SET settings_json = ?, updated_at = ? WHERE name = ?').run(
    JSON.stringify(settings),
    timestamp(),
    name,
  )
}

/** With everything that it has kept. */
export function deletePluginRow(db: WritableDb, name: string): void {
  sql(db, 'DELETE FROM plugins WHERE name = ?').run(name)
}

export function findPluginValue(db: ReadableDb, plugin: string, key: string): unknown {
  const row = sql(db, 'SELECT value_json FROM plugin_values WHERE plugin = ? AND key = ?').get(plugin, key) as
    | { value_json: string }
    | undefined
  return row && JSON.parse(row.value_json)
}

/** How much a plugin keeps beside this key. */
export function pluginUsage(db: ReadableDb, plugin: string, exceptKey: string): { entries: number; bytes: number } {
  return sql(
    db,
    'SELECT count(*) AS entries, ifnull(sum(bytes), 0) AS bytes FROM plugin_values WHERE plugin = ? AND key <> ?',
  ).get(plugin, exceptKey) as { entries: number; bytes: number }
}

export function savePluginValue(db: WritableDb, plugin: string, key: string, json: string): void {
  sql(
    db,
    `INSERT INTO plugin_values (plugin, key, value_json, bytes, updated_at) VALUES (@plugin, @key, @json, @bytes, @now)
     ON CONFLICT (plugin, key) DO UPDATE SET value_json = excluded.value_json, bytes = excluded.bytes, updated_at = excluded.updated_at`,
  ).run({ plugin, key, json, bytes: Buffer.byteLength(json) + Buffer.byteLength(key), now: timestamp() })
}

export function deletePluginValue(db: WritableDb, plugin: string, key: string): boolean {
  return sql(db, 'DELETE FROM plugin_values WHERE plugin = ? AND key = ?').run(plugin, key).changes > 0
}

/** In the order of their names. */
export function listPluginKeys(db: ReadableDb, plugin: string, prefix: string, limit: number): string[] {
  const rows = sql(
    db,
    `SELECT key FROM plugin_values WHERE plugin = ? AND substr(key, 1, length(?)) = ? ORDER BY key LIMIT ?`,
  ).all(plugin, prefix, prefix, limit) as { key: string }[]
  return rows.map(({ key }) => key)
}
