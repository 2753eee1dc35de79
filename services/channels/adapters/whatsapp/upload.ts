import { randomUUID } from 'node:crypto'
import type { GraphRequest } from './api.ts'

/**
 * A form with one file, which is streamed: its length is told beforehand, so the file must be as long as is said of it.
 */
export function uploadForm(
  fields: Readonly<Record<string, string>>,
  file: { filename: string; contentType: string; sizeBytes: number; bytes: AsyncIterable<Uint8Array> },
): NonNullable<GraphRequest['form']> {
  const boundary = `keel-${randomUUID()}`
  const opening = `--${boundary}\r\ncontent-disposition: form-data; name=`
  const plain = Object.entries(fields).map(([name, value]) => `${opening}"${name}"\r\n\r\n${value}\r\n`)
  const named = `${opening}"file"; filename="${inHead(file.filename)}"\r\n`
  const head = Buffer.from(`${plain.join('')}${named}content-type: ${inHead(file.contentType)}\r\n\r\n`)
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  return {
    bytes: inOrder(head, file.bytes, tail),
    sizeBytes: head.byteLength + file.sizeBytes + tail.byteLength,
    contentType: `multipart/form-data; boundary=${boundary}`,
  }
}

async function* inOrder(head: Uint8Array, bytes: AsyncIterable<Uint8Array>, tail: Uint8Array) {
  yield head
  yield* bytes
  yield tail
}

function inHead(text: string): string {
  return text.replace(/\p{Cc}/gu, '').replaceAll('"', '%22')
}
