import { RuntimeError } from '#sdk/errors.ts'
import { openInside, type RootRules } from '#sdk/path-root.ts'
import type { ToolSettings } from '#sdk/services/tools.ts'

export const maxFileBytes = 1_048_576

export function rootRules({ allowed_paths, protected_patterns }: ToolSettings): RootRules {
  return { allowed: allowed_paths, protectedPatterns: protected_patterns }
}

/** A text file's content: `too_large` above 1 MiB, `unsupported_media` when it is no UTF-8 text. */
export async function readTextFile(settings: ToolSettings, path: string): Promise<string> {
  await using handle = await openInside(settings.workspace, path, 'read', rootRules(settings))
  const { size } = await handle.stat()
  if (size > maxFileBytes) throw tooLarge(path, size)
  const bytes = await readUpTo(handle, maxFileBytes + 1)
  // It may have grown since its size was asked.
  if (bytes.length > maxFileBytes) throw tooLarge(path, bytes.length)
  return decodeText(bytes, path)
}

export function tooLarge(path: string, bytes: number): RuntimeError {
  return new RuntimeError('too_large', `The file '${path}' has ${bytes} bytes, and at most ${maxFileBytes} are handled`)
}

async function readUpTo(handle: Awaited<ReturnType<typeof openInside>>, maxBytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(maxBytes)
  let length = 0
  while (length < maxBytes) {
    const { bytesRead } = await handle.read(buffer, length, maxBytes - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

function decodeText(bytes: Buffer, path: string): string {
  const binary = new RuntimeError('unsupported_media', `The file '${path}' is not a text file in UTF-8`)
  if (bytes.includes(0)) throw binary
  try {
    // The mark at the start stays, so that an edited file keeps it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw binary
  }
}
