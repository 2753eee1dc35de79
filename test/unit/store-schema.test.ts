import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openWritable, sql } from '#kernel/store/database.ts'
import { migrate, migrations } from '#kernel/store/migrate.ts'
import { openStore } from '#kernel/store/store.ts'
import { temporaryFolder, temporaryStore } from '../support/temp-store.ts'

const ignoreFaults = { onFault: () => {} }

test('migrations are numbered upwards, and each is applied once', () => {
  const versions = migrations.map(({ version }) => version)
  expect(versions).toEqual([...new Set(versions)].toSorted((left, right) => left - right))
  const { store } = temporaryStore()
  migrate(store.write)
  const applied = sql(store.read, 'SELECT version, name FROM schema_version ORDER BY version').all()
  expect(applied).toEqual(migrations.map(({ version, name }) => ({ version, name })))
})

test('a migration that fails leaves nothing behind', () => {
  const db = openWritable(join(temporaryFolder(), 'keel.db'), 'normal')
  const half = {
    version: 10,
    name: 'half',
    up: () => {
      db.exec('CREATE TABLE half (id TEXT)')
      throw new Error('broken on purpose')
    },
  }
  expect(() => migrate(db, [half])).toThrow('broken on purpose')
  expect(sql(db, `SELECT name FROM sqlite_master WHERE name = 'half'`).all()).toEqual([])
  expect(sql(db, 'SELECT * FROM schema_version').all()).toEqual([])
  db.close()
})

test('a database of a newer build is refused in a plain sentence, with exit code 3', async () => {
  const path = join(temporaryFolder(), 'keel.db')
  const store = openStore(path, ignoreFaults)
  sql(store.write, `INSERT INTO schema_version VALUES (9990, 'from the future', '2030-01-01T00:00:00.000Z')`).run()
  await store.close()
  expect(() => openStore(path, ignoreFaults)).toThrow(
    expect.objectContaining({
      message: expect.stringContaining('written by a newer build'),
      details: { exit_code: 3 },
    }),
  )
})

test('a file that is no database is refused with exit code 3 and left as it is', () => {
  const path = join(temporaryFolder(), 'keel.db')
  writeFileSync(path, 'this is not a database, whatever its name says'.repeat(50))
  expect(() => openStore(path, ignoreFaults)).toThrow(expect.objectContaining({ details: { exit_code: 3 } }))
})

test('accepted messages are written with a full sync, the rest without, and checkpoints never in line', () => {
  const { store } = temporaryStore()
  expect(store.durable.pragma('synchronous', { simple: true })).toBe(2)
  expect(store.write.pragma('synchronous', { simple: true })).toBe(1)
  for (const db of [store.durable, store.write]) expect(db.pragma('wal_autocheckpoint', { simple: true })).toBe(0)
})

test('the reading connection can not write', () => {
  const { store } = temporaryStore()
  expect(() => store.read.prepare(`DELETE FROM sessions`).run()).toThrow(/read-only/)
})
