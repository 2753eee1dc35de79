import { rm } from 'node:fs/promises'
import { listLogFiles, localDay } from './log-files.ts'

const dayMs = 86_400_000
/** However few days they cover. */
const maxFiles = 64

/** Deletes log files of days that lie more than `maxDays` back, and the oldest of too many. */
export async function pruneLogs(dir: string, maxDays: number, now: number = Date.now()): Promise<void> {
  const oldestDay = localDay(new Date(now - maxDays * dayMs))
  const files = await listLogFiles(dir)
  for (const [index, { path, day }] of files.entries())
    if (day < oldestDay || index >= maxFiles) await rm(path, { force: true })
}
