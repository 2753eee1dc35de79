import { PlatformError } from './platform-error.ts'

/** All of a stream's bytes; a platform's refusal for good past `maxBytes`. */
export async function readBounded(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream) {
    length += chunk.byteLength
    if (length > maxBytes) {
      const message = `No file of more than ${maxBytes} bytes can be sent`
      throw new PlatformError(message, { code: 'file_too_large', permanent: true })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
