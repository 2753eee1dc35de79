import { reasonOf } from '#sdk/errors.ts'
import { openReadable } from './database.ts'
import { findDamage } from './inspect.ts'

/**
 * Writes the database at `path`, as it is now, into the empty file `target`, without what was deleted, and reads every page
 * of that. Returns what is wrong with the copy. Takes seconds where the database is large.
 */
export function copyDatabase(path: string, target: string, timeoutMs: number): string | undefined {
  const db = openReadable(path, { timeoutMs })
  try {
    // It forbids VACUUM as well, although that writes to another file.
    db.pragma('query_only = OFF')
    db.prepare('VACUUM INTO ?').run(target)
  } finally {
    db.close()
  }
  return damageOf(target)
}

function damageOf(target: string): string | undefined {
  let copy: ReturnType<typeof openReadable> | undefined
  try {
    copy = openReadable(target)
    return findDamage(copy)
  } catch (thrown) {
    return reasonOf(thrown)
  } finally {
    copy?.close()
  }
}
