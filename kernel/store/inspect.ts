import { accessSync, closeSync, constants, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { reasonOf } from '#sdk/errors.ts'
import { openReadable, openWritable, type ReadableDb } from './database.ts'
import { requireKnownSchema } from './migrate.ts'
import { faultOf } from './store-fault.ts'
import { findWalDamage } from './wal-damage.ts'

/** A file up to this size, in bytes, is checked page by page before it is used: some 2 ms a MiB. A larger one afterwards. */
export const checkAtOnceBytes = 8 * 1024 * 1024

/** How long a lock held by another process is waited for, in milliseconds. */
const lockWaitMs = 5_000

const fileMark = 'SQLite format 3\0'

/** What is wrong with a database, in plain words, and what to do about it. */
export interface DatabaseIssue {
  reason: string
  fix: string
}

const backupFix = (path: string) => `stop Keel, put a backup in place of ${path} and remove ${path}-wal and ${path}-shm`

export interface Inspection {
  /** Whether every page is read. */
  pages: 'all' | 'when_small'
  /** A kernel writes meanwhile: the end of its log may be half-written. */
  inUse?: boolean
}

/** Looks at the database without changing a byte of it, also where it turns out to be a newer build's. */
export function inspectDatabase(path: string, { pages, inUse = false }: Inspection): DatabaseIssue | undefined {
  if (!existsSync(path) || statSync(path).size === 0) return undefined
  try {
    for (const needed of [path, dirname(path)]) accessSync(needed, constants.R_OK | constants.W_OK)
  } catch (thrown) {
    const { path: needed = path, code } = thrown as NodeJS.ErrnoException
    const why = code === 'EROFS' ? 'its file system is read-only' : 'it is not writable for this user'
    return {
      reason: `${needed} can not be written: ${why}`,
      fix: `make it writable, for example: chmod u+rwX ${needed}`,
    }
  }
  if (!hasMark(path)) return { reason: `${path} is not a SQLite database`, fix: backupFix(path) }
  const wal = `${path}-wal`
  const damage = !inUse && existsSync(wal) ? findWalDamage(wal) : undefined
  if (damage) {
    return {
      reason: `${wal} is damaged after byte ${damage.soundBytes} of ${damage.bytes}: what was stored last can not be read`,
      fix: `put a backup in place, or go on without what came last: truncate -s ${damage.soundBytes} ${wal}`,
    }
  }
  return inspectContent(path, pages)
}

function inspectContent(path: string, pages: 'all' | 'when_small'): DatabaseIssue | undefined {
  let db: ReturnType<typeof openReadable> | undefined
  try {
    db = openReadable(path, { timeoutMs: lockWaitMs })
    const damage = pages === 'all' || statSync(path).size <= checkAtOnceBytes ? findDamage(db) : undefined
    if (damage) return damagedFile(path, damage)
    if (hasSchema(db)) requireKnownSchema(db)
    return undefined
  } catch (thrown) {
    return issueOf(path, thrown)
  } finally {
    db?.close()
  }
}

/** Whether another process keeps everyone else from writing. Only for a database that `inspectDatabase` found nothing wrong with. */
export function inspectLock(path: string): DatabaseIssue | undefined {
  let db: ReturnType<typeof openWritable> | undefined
  try {
    db = openWritable(path, 'normal', { timeoutMs: lockWaitMs })
    db.exec('BEGIN IMMEDIATE')
    db.exec('ROLLBACK')
    return undefined
  } catch (thrown) {
    return issueOf(path, thrown)
  } finally {
    db?.close()
  }
}

/** What a check of every page finds first; takes some 2 ms a MiB. Throws what SQLite throws where it can not even read. */
export function findDamage(db: ReadableDb): string | undefined {
  const verdict = String(db.pragma('quick_check(1)', { simple: true }))
  return verdict === 'ok' ? undefined : verdict.replace(/^\*\*\* in database main \*\*\*\s*/, '').split('\n', 1)[0]
}

/** What opening or checking the database has thrown, in words for its operator. */
export function issueOf(path: string, thrown: unknown): DatabaseIssue {
  switch (faultOf(thrown)) {
    case 'corrupt':
      return damagedFile(path, causeText(thrown))
    case 'locked':
      return {
        reason: `${path} is locked by another process`,
        fix: 'end that process (fuser or lsof tell which it is), then start Keel again',
      }
    case 'full':
    case 'unwritable':
      return { reason: `the disk of ${path} takes nothing more: ${causeText(thrown)}`, fix: 'make room on the disk' }
    case 'read_only':
      return { reason: `${path} is read-only`, fix: `make it writable, for example: chmod u+rwX ${path}` }
    case 'unreadable':
      return { reason: `${path} can not be read: ${causeText(thrown)}`, fix: 'check the disk and the permissions' }
    case undefined:
      return { reason: reasonOf(thrown), fix: '' }
  }
}

function damagedFile(path: string, what: string): DatabaseIssue {
  return { reason: `${path} is damaged (${what})`, fix: `${backupFix(path)}; keel doctor tells more` }
}

function causeText(thrown: unknown): string {
  return reasonOf(thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown)
}

function hasMark(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const start = Buffer.alloc(fileMark.length)
    return fstatSync(file).size >= fileMark.length && readSync(file, start, 0, start.length, 0) > 0
      ? start.toString('latin1') === fileMark
      : false
  } finally {
    closeSync(file)
  }
}

function hasSchema(db: ReadableDb): boolean {
  return db.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'`).get() !== undefined
}
