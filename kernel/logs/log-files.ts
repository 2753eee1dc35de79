import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

const namePattern = /^keel\.(\d{4}-\d{2}-\d{2})\.(\d+)\.log$/

export interface LogFile {
  path: string
  /** The day in local time, `2025-01-31`. */
  day: string
  number: number
}

export function logFileName(day: string, number: number): string {
  return `keel.${day}.${number}.log`
}

/** The day in local time, as log files spell it. */
export function localDay(at: Date = new Date()): string {
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => String(part).padStart(2, '0')).join('-')
}

/** The log files of a folder, newest first; a folder that is not there has none. */
export async function listLogFiles(dir: string): Promise<LogFile[]> {
  const found: LogFile[] = []
  for (const name of await namesIn(dir)) {
    const match = namePattern.exec(name)
    if (match) found.push({ path: join(dir, name), day: match[1] as string, number: Number(match[2]) })
  }
  return found.sort((left, right) =>
    left.day === right.day ? right.number - left.number : left.day < right.day ? 1 : -1,
  )
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw thrown
  }
}
