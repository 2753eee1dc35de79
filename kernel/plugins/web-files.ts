import { extname } from 'node:path'
import { readPlainInside } from '#kernel/guests/plain-file.ts'
import { RuntimeError } from '#sdk/errors.ts'

const maxFileBytes = 4 * 1_048_576
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}

/** A file of the folder that a plugin shows; `not_found` for anything else. */
export async function readWebFile(root: string, web: string, file: string): Promise<{ bytes: Buffer; type: string }> {
  const type = types[extname(file).toLowerCase()]
  if (!type || file.split('/').some((part) => part.startsWith('.'))) throw new RuntimeError('not_found', 'not found')
  try {
    return { bytes: await readPlainInside(root, `${web}/${file}`, maxFileBytes), type }
  } catch (cause) {
    // A stranger may be asking: what is there and can not be shown is not there.
    throw new RuntimeError('not_found', 'not found', undefined, { cause })
  }
}
