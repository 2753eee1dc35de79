import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { ZipFile } from 'yazl'

/** The same for the same contents, whenever it is packed. */
const timeOfEntries = new Date('2020-01-01T00:00:00Z')
const modeOfEntries = 0o100644

/** Writes files into a zip and returns its SHA-256, lower-case hex. */
export async function pack(files: ReadonlyMap<string, Buffer>, archive: string): Promise<string> {
  const zip = new ZipFile()
  for (const [path, bytes] of [...files].sort(([left], [right]) => (left < right ? -1 : 1)))
    zip.addBuffer(bytes, path, { mtime: timeOfEntries, mode: modeOfEntries })
  zip.end()
  const hash = createHash('sha256')
  await pipeline(
    zip.outputStream,
    async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        hash.update(chunk)
        yield chunk
      }
    },
    createWriteStream(archive),
  )
  return hash.digest('hex')
}
