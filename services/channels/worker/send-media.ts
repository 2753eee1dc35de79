import { RuntimeError } from '#sdk/errors.ts'
import type { MediaSource } from '../adapter.ts'

/** Bytes of one chunk; whole groups of base64. */
const chunkBytes = 192 * 1024

export interface MediaSending {
  maxBytes: number
  signal: AbortSignal
  emit: (chunk: { data: string }) => Promise<void>
}

/** Passes a file on in pieces, as fast as they are taken. */
export async function sendMedia(
  { content_type, filename, bytes }: MediaSource,
  { maxBytes, signal, emit }: MediaSending,
): Promise<{ content_type: string | null; filename: string | null; size_bytes: number }> {
  let size_bytes = 0
  for await (const piece of bytes) {
    signal.throwIfAborted()
    size_bytes += piece.byteLength
    if (size_bytes > maxBytes) throw new RuntimeError('too_large', `The file has more than ${maxBytes} bytes`)
    for (let at = 0; at < piece.byteLength; at += chunkBytes)
      await emit({ data: Buffer.from(piece.subarray(at, at + chunkBytes)).toString('base64') })
  }
  return { content_type, filename, size_bytes }
}
