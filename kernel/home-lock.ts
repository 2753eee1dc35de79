import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { RuntimeError } from '#sdk/errors.ts'
import type { Home } from './home.ts'

/** How long a start waits for someone who only looks whether a kernel runs, in milliseconds. */
const lockWaitMs = 250

/** Held for as long as a process works in a home. */
export interface HomeLock {
  release(): void
}

/**
 * Makes this process the only kernel in its home. The lock is SQLite's own on an empty database, so the operating
 * system frees it however the process ends. Throws `conflict` with the holder's pid.
 */
export function lockHome(home: Home, waitMs: number = lockWaitMs): HomeLock {
  const db = tryLock(home, waitMs)
  if (!db) {
    const pid = readPid(home)
    const holder = pid === undefined ? 'another process' : `process ${pid}`
    throw new RuntimeError('conflict', `Keel already runs in ${home.root} (${holder})`, { pid: pid ?? null })
  }
  writeFileSync(home.pidFile, `${process.pid}\n`, { mode: 0o600 })
  return {
    release() {
      rmSync(home.pidFile, { force: true })
      rmSync(home.urlFile, { force: true })
      db.close()
    },
  }
}

/** The pid of the kernel that works in this home now; a pid file that a dead one left counts for nothing. */
export function runningPid(home: Home): number | undefined {
  const pid = readPid(home)
  if (pid === undefined) return undefined
  const db = tryLock(home, 0)
  db?.close()
  return db ? undefined : pid
}

function tryLock(home: Home, timeout: number): Database.Database | undefined {
  const file = join(home.run, 'lock.db')
  const db = new Database(file, { timeout })
  chmodSync(file, 0o600)
  try {
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (thrown) {
    db.close()
    if ((thrown as { code?: unknown }).code === 'SQLITE_BUSY') return undefined
    throw thrown
  }
}

function readPid(home: Home): number | undefined {
  try {
    const pid = Number(readFileSync(home.pidFile, 'utf8'))
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}
