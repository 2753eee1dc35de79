import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { problemOf } from '#kernel/http/problem.ts'
import { sql } from '#kernel/store/database.ts'
import { faultOf, faultText, StoreError } from '#kernel/store/store-fault.ts'
import { errorTable } from '#sdk/errors.ts'
import { temporaryStore } from '../support/temp-store.ts'

const sqliteError = (code: string) => new Database.SqliteError('as SQLite says it', code)

test.each([
  ['SQLITE_FULL', 'full'],
  ['SQLITE_IOERR_WRITE', 'unwritable'],
  ['SQLITE_IOERR_SHORT_READ', 'unreadable'],
  ['SQLITE_READONLY_DBMOVED', 'read_only'],
  ['SQLITE_BUSY_SNAPSHOT', 'locked'],
  ['SQLITE_CORRUPT_INDEX', 'corrupt'],
  ['SQLITE_NOTADB', 'corrupt'],
  ['SQLITE_CANTOPEN', 'unreadable'],
])('%s is the fault %s', (code, fault) => {
  expect(faultOf(sqliteError(code))).toBe(fault)
})

test('a broken rule of the schema is a defect and no fault of the store', () => {
  expect(faultOf(sqliteError('SQLITE_CONSTRAINT_UNIQUE'))).toBeUndefined()
  expect(faultOf(sqliteError('SQLITE_ERROR'))).toBeUndefined()
  expect(faultOf(new Error('full'))).toBeUndefined()
})

test('each fault is answered with 503 and its whole sentence, and a cause for the log alone', () => {
  for (const fault of Object.keys(faultText) as (keyof typeof faultText)[]) {
    const thrown = new StoreError(fault, { cause: sqliteError('SQLITE_IOERR') })
    const { status, body } = problemOf(thrown, 'standard')
    expect(status).toBe(errorTable.unavailable.status)
    expect(body).toMatchObject({ error: faultText[fault], reason: `database_${fault}` })
    expect(JSON.stringify(body)).not.toContain('SQLite')
  }
})

test('after a fault the store finds out by itself when it takes writes again, and what insisted is written', async () => {
  const { store, path } = temporaryStore()
  const other = new Database(path)
  other.exec('BEGIN IMMEDIATE')
  const write = () => sql(store.write, `INSERT INTO identity (key, value) VALUES ('build-of-test', '1')`).run()
  expect(write).toThrow(expect.objectContaining({ fault: 'locked', kind: 'unavailable' }))
  expect(store.fault).toBe('locked')
  const written = store.insist(write, 10_000)
  const free = store.free()
  other.exec('ROLLBACK')
  other.close()
  await free
  expect(store.fault).toBeUndefined()
  expect((await written).changes).toBe(1)
})

test('what insists gives up after its time, with the reason', async () => {
  const { store, path } = temporaryStore()
  const other = new Database(path)
  other.exec('BEGIN IMMEDIATE')
  const write = () => sql(store.write, 'DELETE FROM identity').run()
  await expect(store.insist(write, 60)).rejects.toMatchObject({ fault: 'locked' })
  other.close()
})
