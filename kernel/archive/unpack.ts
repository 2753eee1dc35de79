import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Entry, openPromise, type ZipFile } from 'yauzl'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'

/** What an archive may hold at the most. */
const maxEntries = 5_000
const maxEntryBytes = 32 * 1_048_576
const maxTotalBytes = 128 * 1_048_576
/** How many times its packed size a file may have: beyond it is a bomb, but for what is small anyway. */
const maxRatio = 200
const smallBytes = 1_048_576
const maxDepth = 12

const fileTypeMask = 0o170000
const regularFile = 0o100000

/**
 * Unpacks a zip into a folder that is there and empty. Whatever is no ordinary file below that folder is refused, and so
 * is what is too much: with `invalid` or `too_large`, and the entry's name.
 */
export async function unpack(archive: string, folder: string): Promise<string[]> {
  const zip = await openPromise(archive, { lazyEntries: true, validateEntrySizes: true, strictFileNames: true }).catch(
    (cause) => {
      throw new RuntimeError('invalid', `it is no zip archive: ${reasonOf(cause)}`, undefined, { cause })
    },
  )
  try {
    if (zip.entryCount > maxEntries) throw new RuntimeError('too_large', `it has more than ${maxEntries} entries`)
    const written: string[] = []
    const seen = new Set<string>()
    let total = 0
    for await (const entry of zip.eachEntry()) {
      const path = checkedPath(entry)
      if (path === null) continue
      // On some machines names that differ in case alone are the same.
      if (seen.has(path.toLowerCase())) throw new RuntimeError('invalid', `${shown(path)} is there twice`)
      seen.add(path.toLowerCase())
      total += await writeEntry(zip, entry, join(folder, path), maxTotalBytes - total)
      written.push(path)
    }
    return written
  } catch (thrown) {
    if (thrown instanceof RuntimeError) throw thrown
    throw new RuntimeError('invalid', `it can not be unpacked: ${reasonOf(thrown)}`, undefined, { cause: thrown })
  } finally {
    zip.close()
  }
}

/** Where an entry goes, from the folder on; null for a folder. */
function checkedPath({ fileName, externalFileAttributes, compressedSize, uncompressedSize }: Entry): string | null {
  const parts = fileName.split('/')
  if (fileName.includes('\\') || fileName.includes('\0') || fileName.startsWith('/') || /^[A-Za-z]:/.test(fileName))
    throw new RuntimeError('invalid', `${shown(fileName)} is no path inside the archive`)
  if (parts.includes('..') || parts.length > maxDepth)
    throw new RuntimeError('invalid', `${shown(fileName)} leads out of the archive, or too deep`)
  if (fileName.endsWith('/')) return null
  const type = (externalFileAttributes >>> 16) & fileTypeMask
  if (type !== 0 && type !== regularFile)
    throw new RuntimeError('invalid', `${shown(fileName)} is a link or no ordinary file`)
  const isBomb = uncompressedSize > smallBytes && uncompressedSize > compressedSize * maxRatio
  if (uncompressedSize > maxEntryBytes || isBomb)
    throw new RuntimeError('too_large', `${shown(fileName)} unpacks to ${uncompressedSize} bytes`)
  return parts.filter((part) => part !== '.' && part !== '').join('/')
}

async function writeEntry(zip: ZipFile, entry: Entry, target: string, room: number): Promise<number> {
  await mkdir(dirname(target), { recursive: true })
  let bytes = 0
  // What the archive says of itself is not what counts.
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      const over = bytes > maxEntryBytes || bytes > room
      done(over ? new RuntimeError('too_large', `it unpacks to more than ${maxTotalBytes} bytes`) : null, chunk)
    },
  })
  await pipeline(
    await zip.openReadStreamPromise(entry),
    counted,
    createWriteStream(target, { flags: 'wx', mode: 0o644 }),
  )
  return bytes
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200))
}
