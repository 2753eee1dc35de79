import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const childRecord = z.object({
  name: z.string(),
  entry: z.string().min(1),
  /** An argument that no other process has: a process number alone may have gone to another program. */
  mark: z.string().min(16),
})
export type ChildRecord = z.infer<typeof childRecord>

const psTimeoutMs = 2_000

/** Remembers a child, so that the next kernel can end it should this one die while the child can not see that. */
export function recordChild(runDir: string, pid: number, record: ChildRecord): void {
  const folder = join(runDir, 'children')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, `${pid}.json`), JSON.stringify(record), { mode: 0o600 })
}

export function forgetChild(runDir: string, pid: number): void {
  rmSync(join(runDir, 'children', `${pid}.json`), { force: true })
}

/**
 * Ends children of an earlier kernel that are still there: stopped ones and endless loops do not see the wire close.
 * Returns the names of those ended.
 */
export function sweepOrphans(runDir: string): string[] {
  const ended: string[] = []
  for (const file of listRecords(runDir)) {
    const path = join(runDir, 'children', file)
    const record = readRecord(path)
    const pid = Number(file.slice(0, -'.json'.length))
    if (record && isProcessOf(pid, record) && end(pid)) ended.push(record.name)
    rmSync(path, { force: true })
  }
  return ended
}

function listRecords(runDir: string): string[] {
  try {
    return readdirSync(join(runDir, 'children')).filter((file) => /^[1-9]\d*\.json$/.test(file))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw thrown
  }
}

/** `undefined` for a file cut short when the machine went down. */
function readRecord(path: string): ChildRecord | undefined {
  try {
    return childRecord.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined
  }
}

function isProcessOf(pid: number, { entry, mark }: ChildRecord): boolean {
  const command = commandLine(pid)
  return command.includes(entry) && command.includes(mark)
}

/** The command of a running process; empty when there is none, or where the system does not tell. */
function commandLine(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      : execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8', timeout: psTimeoutMs })
  } catch {
    return ''
  }
}

/** Whether there was still something to end. */
function end(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}
