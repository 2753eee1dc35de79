import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { CronPayload } from '#sdk/services/cron-payload.ts'
import type { Home } from '../../home.ts'
import type { Store } from '../../store/store.ts'

const mebibyte = 1_048_576
const time = String.raw`\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z`
const wholeName = new RegExp(`^keel-${time}\\.db$`)
const draftName = new RegExp(`^\\.keel-${time}\\.db\\.part$`)
/** A copy that nobody has written to for so long, in milliseconds, was left by a kernel that died. */
const abandonedMs = 3_600_000

interface Deps {
  store: { pool: Pick<Store['pool'], 'copyTo'> }
  home: Pick<Home, 'backups'>
}

/**
 * Copies the database into `keel-<UTC time>.db` of the home's `backups`, and removes all but the newest `keep` copies. A
 * copy has this name only once it is whole and every page of it was read. Returns a sentence for the run's output.
 */
export async function backUp(
  { keep }: Pick<Extract<CronPayload, { action: 'backup' }>, 'keep'>,
  { store, home }: Deps,
): Promise<string> {
  const name = `keel-${timestamp().replaceAll(':', '-')}.db`
  try {
    await openFolder(home.backups)
    await removeAbandoned(home.backups)
    const bytes = await makeCopy(store, home.backups, name)
    const removed = await prune(home.backups, name, keep)
    const size = `${(bytes / mebibyte).toFixed(1)} MiB`
    return `${name} (${size}) is in ${home.backups}${removed === 0 ? '' : `; older ones removed: ${removed}`}.`
  } catch (thrown) {
    if (thrown instanceof RuntimeError) throw thrown
    throw new RuntimeError('unavailable', `The database could not be backed up: ${reasonOf(thrown)}`, undefined, {
      cause: thrown,
    })
  }
}

/** A link could lead the copies, and the pruning, anywhere. */
async function openFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'EEXIST') throw thrown
  })
  if (!(await lstat(folder)).isDirectory())
    throw new RuntimeError('conflict', `${folder} is no folder, so no backup is put there`)
}

/** Returns the size of the copy, in bytes. */
async function makeCopy(store: Deps['store'], folder: string, name: string): Promise<number> {
  const draft = join(folder, `.${name}.part`)
  try {
    await (await open(draft, 'wx', 0o600)).close()
    await store.pool.copyTo(draft)
    const file = await open(draft, 'r+')
    try {
      await file.sync()
      await rename(draft, join(folder, name))
      return (await file.stat()).size
    } finally {
      await file.close()
    }
  } catch (thrown) {
    await rm(draft, { force: true }).catch(() => {})
    throw thrown
  }
}

/** The copy just made stays even where the clock was set back and older ones have later names. */
async function prune(folder: string, made: string, keep: number): Promise<number> {
  const others = (await namesIn(folder, wholeName)).filter((name) => name !== made).sort()
  const superfluous = others.slice(0, Math.max(0, others.length - (keep - 1)))
  for (const name of superfluous) await rm(join(folder, name), { force: true })
  return superfluous.length
}

async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await namesIn(folder, draftName)) {
    const path = join(folder, name)
    if ((await lstat(path)).mtimeMs < Date.now() - abandonedMs) await rm(path, { force: true })
  }
}

async function namesIn(folder: string, pattern: RegExp): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && pattern.test(entry.name)).map(({ name }) => name)
}
