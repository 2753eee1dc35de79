import { createWriteStream } from 'node:fs'
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileTypeFromFile } from 'file-type'
import { channelBounds, type OutboundAttachment } from '#sdk/channels/message.ts'
import type { MediaKind } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { openInside, type RootRules } from '#sdk/path-root.ts'

/** Bytes of all files that wait to be sent, or could be sent again. */
const maxHeldBytes = 1024 * 1024 * 1024
/** Bytes of one piece; as base64 it fits into a frame. */
export const pieceBytes = 384 * 1024
const privateFolder = 0o700
const privateFile = 0o600

/** Copies of the files that go out, so that what is sent is what was there when it was decided on. */
export class HeldFiles {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Copies files of the workspace for a delivery; nothing stays where one can not be. `invalid` names the path. */
  async hold(
    deliveryId: string,
    paths: readonly string[],
    { root, rules }: { root: string; rules: RootRules },
  ): Promise<OutboundAttachment[]> {
    const folder = this.#folderOf(deliveryId)
    await mkdir(folder, { recursive: true, mode: privateFolder })
    try {
      let room = maxHeldBytes - (await this.#heldBytes())
      const held: OutboundAttachment[] = []
      for (const [index, path] of paths.entries()) {
        const attachment = await copyFile(join(folder, String(index)), path, { root, rules, room })
        room -= attachment.size_bytes
        held.push(attachment)
      }
      return held
    } catch (thrown) {
      await this.remove(deliveryId)
      throw thrown
    }
  }

  /** Bytes from `offset` on; empty at the end. */
  async read(deliveryId: string, index: number, offset: number): Promise<Buffer> {
    const file = await open(join(this.#folderOf(deliveryId), String(index)), 'r')
    try {
      const buffer = Buffer.alloc(pieceBytes)
      const { bytesRead } = await file.read(buffer, 0, pieceBytes, offset)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }

  remove(deliveryId: string): Promise<void> {
    return rm(this.#folderOf(deliveryId), { recursive: true, force: true })
  }

  /** Removes what an earlier kernel copied for a message that was then never kept. */
  async removeOrphans(isKnown: (deliveryId: string) => boolean): Promise<void> {
    for (const name of await this.#names()) if (!isKnown(name)) await this.remove(name)
  }

  #folderOf(deliveryId: string): string {
    return join(this.#folder, basename(deliveryId))
  }

  async #names(): Promise<string[]> {
    return readdir(this.#folder).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'ENOENT') return []
      throw thrown
    })
  }

  async #heldBytes(): Promise<number> {
    let bytes = 0
    for (const name of await this.#names())
      for (const file of await readdir(join(this.#folder, name)))
        bytes += (await stat(join(this.#folder, name, file))).size
    return bytes
  }
}

async function copyFile(
  target: string,
  path: string,
  { root, rules, room }: { root: string; rules: RootRules; room: number },
): Promise<OutboundAttachment> {
  const source = await openInside(root, path, 'read', rules)
  try {
    const most = Math.min(room, channelBounds.fileBytes.document)
    let size_bytes = 0
    const bounded = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        size_bytes += chunk.length
        if (size_bytes <= most) return done(null, chunk)
        done(new RuntimeError('too_large', `'${path}' is larger than the ${most} bytes that can be sent`))
      },
    })
    await pipeline(
      source.createReadStream({ autoClose: false }),
      bounded,
      createWriteStream(target, { flags: 'wx', mode: privateFile }),
    )
    const content_type = (await fileTypeFromFile(target))?.mime ?? 'application/octet-stream'
    const filename = basename(path).slice(0, maxNameLength)
    return { kind: kindOf(content_type), filename, content_type, size_bytes, caption: null }
  } finally {
    await source.close()
  }
}

const maxNameLength = 256

function kindOf(contentType: string): MediaKind {
  const [family] = contentType.split('/')
  // A drawing of vectors is a document to most platforms.
  if (family === 'image' && contentType !== 'image/svg+xml') return 'image'
  return family === 'audio' || family === 'video' ? family : 'document'
}
