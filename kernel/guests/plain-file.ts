import { constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { RuntimeError } from '#sdk/errors.ts'
import { resolveInside } from '#sdk/path-root.ts'

/*
 * Files that guests bring along. What is opened is checked, not what it is called: links, pipes and devices are refused.
 */

/** What others put into a guest's folder: no part of it. */
const foreignFolders = new Set(['node_modules', '__pycache__', 'venv', 'target'])

export function isForeignFolder(name: string): boolean {
  return foreignFolders.has(name) || name.startsWith('.')
}

/** An ordinary file, opened to be read; `invalid` for anything else. */
export async function openPlain(path: string): Promise<FileHandle> {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  const handle = await open(path, flags).catch((cause) => {
    throw new RuntimeError('invalid', `${basename(path)} can not be read`, undefined, { cause })
  })
  try {
    refuseUnusual(basename(path), await handle.stat())
    return handle
  } catch (thrown) {
    await handle.close()
    throw thrown
  }
}

/** A file's bytes; `too_large` above the limit. */
export async function readPlain(path: string, maxBytes: number): Promise<Buffer> {
  await using handle = await openPlain(path)
  const { size } = await handle.stat()
  const tooLarge = (bytes: number) =>
    new RuntimeError('too_large', `${basename(path)} has ${bytes} bytes; at most ${maxBytes} are read`)
  if (size > maxBytes) throw tooLarge(size)
  const buffer = Buffer.alloc(size + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  // It may have grown since its size was asked.
  if (length > size) throw tooLarge(length)
  return buffer.subarray(0, length)
}

/** The same for a path from a folder on, on which no folder is a link either. */
export async function readPlainInside(root: string, path: string, maxBytes: number): Promise<Buffer> {
  const { base, real, exists } = await resolveInside(root, path)
  if (!exists) throw new RuntimeError('invalid', `${path} is not there`)
  if (real !== join(base, path)) throw new RuntimeError('invalid', `${path} leads over a symbolic link`)
  return readPlain(real, maxBytes)
}

export function refuseUnusual(name: string, stats: Stats): void {
  const unusual = unusualKind(stats)
  if (unusual) throw new RuntimeError('invalid', `${name} is ${unusual}`)
}

export function unusualKind(stats: Stats): string | undefined {
  if (stats.isSymbolicLink()) return 'a symbolic link'
  if (!stats.isFile()) return 'no ordinary file'
  return stats.nlink > 1 ? 'a file with several hard links' : undefined
}
