import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { openWritable } from '#kernel/store/database.ts'
import { migrate, migrations } from '#kernel/store/migrate.ts'
import { insertSession, loadSession } from '#kernel/store/sessions.ts'
import { openStore } from '#kernel/store/store.ts'
import { temporaryFolder } from '../support/temp-store.ts'

const dying = fileURLToPath(new URL('../support/migrate-and-die.ts', import.meta.url))
const oldSteps = migrations.slice(0, 3)
const [old = 0, newest = 0] = [oldSteps.at(-1)?.version, migrations.at(-1)?.version]
const moments: [string, string, number][] = [
  ...migrations
    .slice(3)
    .map(({ version }): [string, string, number] => [`after step ${version}`, String(version), old]),
  ['after all of them', '', newest],
]

/** The database as an older build has left it. */
function oldDatabase(): { path: string; sessionId: string } {
  const path = join(temporaryFolder(), 'keel.db')
  const db = openWritable(path, 'full')
  migrate(db, oldSteps)
  const { id } = insertSession(db, { agent_id: 'default', scope_key: 'agent' })
  db.close()
  return { path, sessionId: id }
}

function versionOf(path: string): { version: unknown; integrity: unknown; tables: number } {
  const db = new Database(path, { readonly: true })
  const version = db.prepare('SELECT max(version) FROM schema_version').pluck().get()
  const tables = Number(db.prepare(`SELECT count(*) FROM sqlite_master WHERE name = 'identity'`).pluck().get())
  const integrity = db.pragma('integrity_check', { simple: true })
  db.close()
  return { version, integrity, tables }
}

test.each(moments)('killed %s: old or new, never between, and the next start finishes', async (_, step, version) => {
  const { path, sessionId } = oldDatabase()
  const child = spawn(process.execPath, [dying, path, step], { stdio: 'inherit' })
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
  // The kill came while the transaction was under way, not before it.
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(0)
  expect(versionOf(path)).toEqual({ version, integrity: 'ok', tables: version === newest ? 1 : 0 })

  const store = openStore(path, { onFault: () => {} })
  onTestFinished(() => store.close())
  expect(versionOf(path)).toEqual({ version: newest, integrity: 'ok', tables: 1 })
  expect(loadSession(store.read, sessionId).id).toBe(sessionId)
})
