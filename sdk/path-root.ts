import { constants, type Dirent } from 'node:fs'
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  stat,
  unlink,
} from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { RuntimeError } from './errors.ts'
import { newId } from './ids.ts'

/*
 * Files of a folder, by paths that a stranger may have chosen. What is opened is checked, not what it is called: on
 * Linux the parent folder is held open while its child is opened through it, so that nothing can be swapped meanwhile.
 */

export interface RootRules {
  /** Absolute folders outside the root that may be named by absolute paths. */
  allowed?: readonly string[]
  /** Texts that no path below the root may contain, compared without case. */
  protectedPatterns?: readonly string[]
}

export interface ResolvedPath {
  /** The root or allowed folder, after symlinks. */
  base: string
  /** Where the path leads, after symlinks; inside `base`. */
  real: string
  exists: boolean
}

const maxPathLength = 4096
const noFollow = constants.O_NOFOLLOW ?? 0
const directoryOnly = constants.O_DIRECTORY ?? 0
/** Opening a FIFO waits for its other end without this. */
const nonBlocking = constants.O_NONBLOCK ?? 0
const newFileMode = 0o644
const openFlags = {
  read: constants.O_RDONLY,
  append: constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT,
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
}

/** Where a path leads; `forbidden` outside the root, `invalid` when it is no path. The last parts need not exist. */
export async function resolveInside(root: string, path: string, rules: RootRules = {}): Promise<ResolvedPath> {
  refuseBadText(path)
  refuseProtected(path, path, rules)
  const named = baseOf(root, path, rules)
  const base = await realpath(named).catch((cause) => {
    throw fileError(cause, named)
  })
  const wanted = isAbsolute(path) ? join(base, relative(named, path)) : resolve(base, path)
  const { real, exists } = await realOf(wanted, path)
  refuseOutside(base, real, path)
  refuseProtected(relative(base, real), path, rules)
  return { base, real, exists }
}

/**
 * Opens an ordinary file: to read it, to add to its end, or as a new one, which is a `conflict` when it is there already.
 * What is written is created, but its folder must exist.
 */
export async function openInside(
  root: string,
  path: string,
  mode: keyof typeof openFlags,
  rules: RootRules = {},
): Promise<FileHandle> {
  const { base, real } = await resolveInside(root, path, rules)
  return inFolder(base, dirname(real), path, async (folder) => {
    const name = join(folder, basename(real))
    await refuseUnusual(name, path)
    const handle = await open(name, openFlags[mode] | noFollow | nonBlocking, newFileMode)
    try {
      await checkOpened(handle, base, real, path)
      const info = await handle.stat()
      if (!info.isFile()) throw unusual(path)
      if (info.nlink > 1) throw hardLinked(path)
      return handle
    } catch (cause) {
      await handle.close()
      throw cause
    }
  })
}

/** Puts new content in a file's place in one step, so that a reader or a crash sees the old file or the new one. */
export async function replaceInside(
  root: string,
  path: string,
  content: string | Uint8Array,
  rules: RootRules = {},
): Promise<void> {
  const { base, real } = await resolveInside(root, path, rules)
  if (real === base) throw new RuntimeError('invalid', `The path '${path}' is a folder`)
  await inFolder(base, dirname(real), path, async (folder) => {
    const name = join(folder, basename(real))
    const old = await refuseUnusual(name, path)
    const draft = join(folder, `.keel-draft-${newId()}`)
    const handle = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow, newFileMode)
    try {
      if (old) await handle.chmod(old.mode & 0o777)
      await handle.writeFile(content)
      await handle.close()
      await rename(draft, name)
    } catch (cause) {
      await handle.close()
      await unlink(draft).catch(() => {})
      throw cause
    }
  })
}

/** Makes the folder that is to hold this path, and those above it. */
export async function makeParentInside(root: string, path: string, rules: RootRules = {}): Promise<void> {
  const { base, real } = await resolveInside(root, path, rules)
  if (real !== base) await makeFolder(base, dirname(real), path)
}

/** Each folder is made through the held one above it, as a recursive mkdir would follow a link put there meanwhile. */
async function makeFolder(base: string, real: string, path: string): Promise<void> {
  if (real === base || (await lstat(real).catch(() => undefined))?.isDirectory()) return
  await makeFolder(base, dirname(real), path)
  await inFolder(base, dirname(real), path, async (folder) => {
    await mkdir(join(folder, basename(real))).catch((cause) => {
      if (codeOf(cause) !== 'EEXIST') throw cause
    })
  })
}

/** The entries of a folder; those with a protected name are left out and counted. */
export async function listInside(
  root: string,
  path: string,
  rules: RootRules = {},
): Promise<{ entries: Dirent[]; hidden: number }> {
  const { base, real, exists } = await resolveInside(root, path, rules)
  if (!exists) throw new RuntimeError('not_found', `There is no folder '${path}'`)
  const all = await inFolder(base, real, path, (folder) => readdir(folder, { withFileTypes: true }))
  const entries = all.filter(({ name }) => protectedBy(join(relative(base, real), name), rules) === undefined)
  return { entries, hidden: all.length - entries.length }
}

function refuseBadText(path: string): void {
  if (path === '' || path.length > maxPathLength) {
    throw new RuntimeError('invalid', `A path has 1 to ${maxPathLength} characters`)
  }
  if (path.includes('\0')) throw new RuntimeError('invalid', 'The path contains a NUL character')
  if (path.split(/[\\/]/).includes('..')) throw new RuntimeError('forbidden', `The path '${path}' leads upwards ('..')`)
  // On Windows a colon after the drive names another stream of a file, or a folder relative to another drive.
  if (process.platform === 'win32' && path.slice(isAbsolute(path) ? 2 : 0).includes(':')) {
    throw new RuntimeError('forbidden', `The path '${path}' contains a colon`)
  }
}

function baseOf(root: string, path: string, { allowed = [] }: RootRules): string {
  if (!isAbsolute(path)) return root
  const folder = allowed.find((candidate) => isAbsolute(candidate) && isInside(resolve(candidate), resolve(path)))
  if (folder === undefined) {
    throw new RuntimeError('forbidden', `The path '${path}' is absolute and not under an allowed folder`)
  }
  return resolve(folder)
}

/** The path after symlinks, though its last parts may not exist yet. */
async function realOf(wanted: string, path: string): Promise<{ real: string; exists: boolean }> {
  const missing: string[] = []
  for (let existing = wanted; ; existing = dirname(existing)) {
    try {
      return { real: join(await realpath(existing), ...missing), exists: missing.length === 0 }
    } catch (cause) {
      if (codeOf(cause) !== 'ENOENT' || dirname(existing) === existing) throw fileError(cause, path)
      // A link to nothing would let its target be created, wherever that is.
      if (await lstat(existing).catch(() => undefined)) {
        throw new RuntimeError('forbidden', `The path '${path}' goes through a symbolic link to nothing`)
      }
      missing.unshift(basename(existing))
    }
  }
}

/** Holds a folder open while `use` works through it; gives it a name under which no other folder can be meant. */
async function inFolder<T>(base: string, real: string, path: string, use: (folder: string) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined
  try {
    if (process.platform === 'win32') return await use(real)
    handle = await open(real, constants.O_RDONLY | directoryOnly | noFollow | nonBlocking)
    await checkOpened(handle, base, real, path)
    return await use(process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : real)
  } catch (cause) {
    throw fileError(cause, path)
  } finally {
    await handle?.close()
  }
}

async function checkOpened(handle: FileHandle, base: string, real: string, path: string): Promise<void> {
  if (process.platform === 'linux') return refuseOutside(base, await readlink(`/proc/self/fd/${handle.fd}`), path)
  const now = await realpath(real)
  refuseOutside(base, now, path)
  const [opened, named] = await Promise.all([handle.stat({ bigint: true }), stat(now, { bigint: true })])
  if (opened.dev !== named.dev || opened.ino !== named.ino) {
    throw new RuntimeError('conflict', `The path '${path}' changed while it was opened`)
  }
}

async function refuseUnusual(name: string, path: string) {
  const info = await lstat(name).catch((cause) => {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw cause
  })
  if (info?.isDirectory()) throw new RuntimeError('invalid', `The path '${path}' is a folder`)
  if (info && !info.isFile()) throw unusual(path)
  if (info && info.nlink > 1) throw hardLinked(path)
  return info
}

function refuseOutside(base: string, real: string, path: string): void {
  if (!isInside(base, real)) throw new RuntimeError('forbidden', `The path '${path}' leads out of its folder`)
}

function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

function protectedBy(text: string, { protectedPatterns = [] }: RootRules): string | undefined {
  // A folder's own name is protected by a pattern that ends in a slash.
  const folded = `${foldCase(text)}/`
  return protectedPatterns.find((pattern) => pattern !== '' && folded.includes(foldCase(pattern)))
}

function refuseProtected(text: string, path: string, rules: RootRules): void {
  const pattern = protectedBy(text, rules)
  if (pattern !== undefined) throw new RuntimeError('forbidden', `The path '${path}' is protected ('${pattern}')`)
}

function foldCase(text: string): string {
  return text.normalize('NFKC').replaceAll('\\', '/').toLowerCase()
}

function unusual(path: string): RuntimeError {
  return new RuntimeError('forbidden', `The path '${path}' is not an ordinary file`)
}

function hardLinked(path: string): RuntimeError {
  return new RuntimeError('forbidden', `The file '${path}' has a second name (a hard link), which may be elsewhere`)
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

/** What the system said, in words for the caller; what is not about the path stays as it is. */
function fileError(cause: unknown, path: string): unknown {
  switch (codeOf(cause)) {
    case 'ENOENT':
      return new RuntimeError('not_found', `There is no '${path}'`, undefined, { cause })
    case 'EEXIST':
      return new RuntimeError('conflict', `There is a '${path}' already`, undefined, { cause })
    case 'ENOTDIR':
      return new RuntimeError('invalid', `A part of the path '${path}' is not a folder`, undefined, { cause })
    case 'EISDIR':
      return new RuntimeError('invalid', `The path '${path}' is a folder`, undefined, { cause })
    case 'ENAMETOOLONG':
      return new RuntimeError('invalid', `A name in the path '${path.slice(0, 100)}…' is too long`, undefined, {
        cause,
      })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new RuntimeError('forbidden', `The system does not allow access to '${path}'`, undefined, { cause })
    case 'ELOOP':
      return new RuntimeError(
        'forbidden',
        `The path '${path}' became a symbolic link, or links in a circle`,
        undefined,
        {
          cause,
        },
      )
    case 'ENXIO':
      return unusual(path)
    default:
      return cause
  }
}
