import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface ChildRecord {
  name: string
  entry: string
}

/** Remembers a child, so that the next kernel can end it should this one die while the child can not see that. */
export function recordChild(runDir: string, pid: number, name: string, entry: URL): void {
  const folder = join(runDir, 'children')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(
    join(folder, `${pid}.json`),
    JSON.stringify({ name, entry: fileURLToPath(entry) } satisfies ChildRecord),
    { mode: 0o600 },
  )
}

export function forgetChild(runDir: string, pid: number): void {
  rmSync(join(runDir, 'children', `${pid}.json`), { force: true })
}

/**
 * Ends children of an earlier kernel that are still there: stopped ones and endless loops do not see the wire close.
 * A process number that has gone to another program since is left alone. Returns the names of those ended.
 */
export function sweepOrphans(runDir: string): string[] {
  const ended: string[] = []
  for (const file of listRecords(runDir)) {
    const pid = Number(file.slice(0, -'.json'.length))
    const path = join(runDir, 'children', file)
    const { name, entry } = JSON.parse(readFileSync(path, 'utf8')) as ChildRecord
    if (commandLine(pid).includes(entry)) {
      process.kill(pid, 'SIGKILL')
      ended.push(name)
    }
    rmSync(path, { force: true })
  }
  return ended
}

function listRecords(runDir: string): string[] {
  try {
    return readdirSync(join(runDir, 'children')).filter((file) => /^\d+\.json$/.test(file))
  } catch {
    return []
  }
}

/** The command of a running process; empty when there is none, or where the system does not tell. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
