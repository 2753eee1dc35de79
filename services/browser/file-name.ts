import { createHash } from 'node:crypto'
import { extname } from 'node:path'

const maxBytes = 120
const maxExtension = 16
/** Devices of Windows, whatever follows the first dot. */
const reserved = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i

/** A name as a site gives it, as the plain name of a file in one folder: no path, nothing hidden, nothing invisible. */
export function plainFileName(given: string): string {
  const last = given.split(/[\\/]/).at(-1) ?? ''
  const plain = last
    .normalize('NFC')
    .toWellFormed()
    .replace(/[\p{C}<>:"|?*]/gu, '_')
    .replace(/\.{2,}/g, '.')
    .replace(/^[\s.]+|[\s.]+$/g, '')
  const safe = reserved.test(plain) ? `_${plain}` : plain
  if (Buffer.byteLength(safe) <= maxBytes) return safe || 'download'
  const extension = extname(safe).length <= maxExtension ? extname(safe) : ''
  let stem = safe.slice(0, safe.length - extension.length)
  while (Buffer.byteLength(stem + extension) > maxBytes) stem = stem.slice(0, -1)
  return stem.toWellFormed() + extension
}

/** `report.pdf`, then `report (2).pdf` and so on. */
export function numberedName(name: string, number: number): string {
  const extension = extname(name)
  return number === 1 ? name : `${name.slice(0, name.length - extension.length)} (${number})${extension}`
}

/** A session's folder: its own name where that is a plain one, else with what tells it from others like it. */
export function folderName(session: string): string {
  const plain = session.replace(/[^\w-]/g, '_').slice(0, 64)
  if (plain === session) return plain
  return `${plain}-${createHash('sha256').update(session).digest('hex').slice(0, 8)}`
}
