import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** `~` and `~/…` become the user's home folder. */
export function expandTilde(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** A path from the configuration, absolute: `~` is the user's home folder, a relative one begins in Keel's. */
export function resolvePath(path: string, root: string): string {
  return path === ':memory:' || path === '' ? path : resolve(root, expandTilde(path))
}
