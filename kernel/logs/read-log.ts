import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { LogEntry } from '#sdk/contracts/logs.ts'
import { type LogFilter, matches, parseLogLine } from './log-entry.ts'
import { listLogFiles } from './log-files.ts'

const blockBytes = 65_536
/** Longer lines are passed over. */
const maxLineBytes = 1_048_576
/** Bytes read for one question. */
const maxScannedBytes = 268_435_456
/** How long one question may take, in milliseconds; then the answer is what was found. */
const maxReadMs = 5_000

export interface LogQuery extends LogFilter {
  /** The most entries to return. */
  lines: number
}

/** The newest entries that match, oldest first, from as many rotated files as it takes. */
export async function readLog(dir: string, { lines, ...filter }: LogQuery): Promise<LogEntry[]> {
  const found: LogEntry[] = []
  const deadline = Date.now() + maxReadMs
  const budget = { bytes: maxScannedBytes }
  for (const { path } of await listLogFiles(dir)) {
    for await (const line of linesFromEnd(path, budget)) {
      const entry = parseLogLine(line)
      if (!entry) continue
      if (filter.since !== undefined && entry.timestamp < filter.since) return found.reverse()
      if (matches(entry, filter)) found.push(entry)
      if (found.length >= lines || Date.now() > deadline) return found.reverse()
    }
    if (budget.bytes <= 0) break
  }
  return found.reverse()
}

/** A file's lines from the last to the first, read in blocks. A file that was deleted meanwhile has none. */
async function* linesFromEnd(path: string, budget: { bytes: number }): AsyncGenerator<string> {
  const file = await openIfThere(path)
  if (!file) return
  try {
    let position = (await file.stat()).size
    // What stands before the lines already given: the end of a line whose beginning is further up.
    let rest: Buffer = Buffer.alloc(0)
    let tooLong = false
    while (position > 0 && budget.bytes > 0) {
      const length = Math.min(blockBytes, position)
      position -= length
      budget.bytes -= length
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position)
      const text = Buffer.concat([buffer.subarray(0, bytesRead), rest])
      let end = text.length
      for (
        let start = text.lastIndexOf(0x0a, end - 1);
        start !== -1;
        start = end > 0 ? text.lastIndexOf(0x0a, end - 1) : -1
      ) {
        if (!tooLong && end > start + 1) yield text.toString('utf8', start + 1, end)
        tooLong = false
        end = start
      }
      rest = text.subarray(0, end)
      if (rest.length > maxLineBytes) {
        tooLong = true
        rest = Buffer.alloc(0)
      }
    }
    if (position === 0 && rest.length > 0 && !tooLong) yield rest.toString('utf8')
  } finally {
    await file.close()
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ELOOP') return undefined
    throw thrown
  }
}
