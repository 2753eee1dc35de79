import { RuntimeError } from '#sdk/errors.ts'

/** What may be wrong with the database or its disk. */
export type StoreFault = 'full' | 'unwritable' | 'read_only' | 'locked' | 'corrupt' | 'unreadable'

/** By SQLite's codes, the longest that fits; what is not listed is a defect of ours and no fault of the store. */
const faultByCode: Record<string, StoreFault> = {
  SQLITE_FULL: 'full',
  SQLITE_IOERR_SHMSIZE: 'full',
  SQLITE_IOERR_WRITE: 'unwritable',
  SQLITE_IOERR_FSYNC: 'unwritable',
  SQLITE_IOERR_DIR_FSYNC: 'unwritable',
  SQLITE_IOERR_TRUNCATE: 'unwritable',
  SQLITE_READONLY: 'read_only',
  SQLITE_PERM: 'read_only',
  SQLITE_BUSY: 'locked',
  SQLITE_LOCKED: 'locked',
  SQLITE_CORRUPT: 'corrupt',
  SQLITE_NOTADB: 'corrupt',
  SQLITE_IOERR: 'unreadable',
  SQLITE_CANTOPEN: 'unreadable',
}

/** Told to whoever asked for what could not be done, and in health: no paths, and nothing of SQL. */
export const faultText: Record<StoreFault, string> = {
  full: 'The disk that holds the database is full; nothing can be stored until there is room again',
  unwritable: 'The disk that holds the database takes nothing more: it is full, over its quota, or it fails',
  read_only: 'The database is read-only; nothing can be stored',
  locked: 'Another process holds the database; nothing can be stored until it lets go',
  corrupt: 'The database is damaged; keel doctor tells what is wrong with it',
  unreadable: 'The file of the database can not be read; the disk may be failing, or the file is gone',
}

/** How long a caller should wait with the next try, in seconds; undefined where time alone mends nothing. */
const retryAfterSeconds: Partial<Record<StoreFault, number>> = { full: 30, unwritable: 30, locked: 2 }

/** Thrown in place of what SQLite threw, which is its `cause`. */
export class StoreError extends RuntimeError {
  readonly fault: StoreFault

  constructor(fault: StoreFault, options?: ErrorOptions) {
    const seconds = retryAfterSeconds[fault]
    super(
      'unavailable',
      faultText[fault],
      { reason: `database_${fault}`, ...(seconds !== undefined && { retry_after_seconds: seconds }) },
      options,
    )
    this.fault = fault
  }
}

/** The fault behind an error of SQLite's or of `StoreError`'s; undefined for anything else. */
export function faultOf(thrown: unknown): StoreFault | undefined {
  if (thrown instanceof StoreError) return thrown.fault
  const code = (thrown as { code?: unknown } | null)?.code
  if (typeof code !== 'string' || !code.startsWith('SQLITE_')) return undefined
  // SQLITE_IOERR_SHORT_READ is an SQLITE_IOERR.
  for (let known = code; known !== 'SQLITE'; known = known.slice(0, known.lastIndexOf('_'))) {
    if (faultByCode[known]) return faultByCode[known]
  }
  return undefined
}
