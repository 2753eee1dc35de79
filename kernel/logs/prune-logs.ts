import { rm } from 'node:fs/promises'
import { listLogFiles } from './log-files.ts'

const dayMs = 86_400_000

/** Deletes log files of days that lie more than `maxDays` back. */
export async function pruneLogs(dir: string, maxDays: number, now: number = Date.now()): Promise<void> {
  const oldest = new Date(now - maxDays * dayMs)
  const oldestDay = [oldest.getFullYear(), oldest.getMonth() + 1, oldest.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-')
  for (const { path, day } of await listLogFiles(dir)) if (day < oldestDay) await rm(path, { force: true })
}
