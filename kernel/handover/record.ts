import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { newId } from '#sdk/ids.ts'
import { isRunning } from '#sdk/is-running.ts'
import type { Home } from '../home.ts'

const handoverRecord = z.object({
  id: z.string(),
  state: z.enum(['loading', 'draining', 'taking_over', 'done', 'failed']),
  /** The process that arranges it. */
  arranged_by: z.int(),
  from_pid: z.int(),
  /** Who serves, or is about to; null when nobody could. */
  pid: z.int().nullable(),
  version: z.string().nullable(),
  /** Milliseconds since 1970. */
  started_at: z.number(),
  /** For so long nobody accepted connections, in milliseconds. */
  gap_ms: z.number().nullable(),
  /** Why it failed. */
  reason: z.string().nullable(),
})
/** The newest handover of a home, for those who have asked for it. */
export type HandoverRecord = z.infer<typeof handoverRecord>

export function findHandover(home: Home): HandoverRecord | undefined {
  try {
    return handoverRecord.parse(JSON.parse(readFileSync(fileOf(home), 'utf8')))
  } catch {
    // None yet, or one of a build that wrote it differently.
    return undefined
  }
}

/** A handover that has begun and not ended, unless the process that arranged it is gone. */
export function handoverUnderWay(home: Home): HandoverRecord | undefined {
  const record = findHandover(home)
  return record && !isOver(record) && isRunning(record.arranged_by) ? record : undefined
}

export function isOver({ state }: HandoverRecord): boolean {
  return state === 'done' || state === 'failed'
}

/** Begins a record; the function it returns changes it. Whoever reads it sees it whole. */
export function recordHandover(home: Home, from_pid: number): (change: Partial<HandoverRecord>) => void {
  let record: HandoverRecord = {
    id: newId(),
    state: 'loading',
    arranged_by: process.pid,
    from_pid,
    pid: from_pid,
    version: null,
    started_at: Date.now(),
    gap_ms: null,
    reason: null,
  }
  const write = () => {
    const file = fileOf(home)
    try {
      writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 })
      renameSync(`${file}.new`, file)
    } catch (thrown) {
      // Those who look on learn less; the handover itself does not need the file.
      process.stderr.write(`The handover can not be recorded: ${thrown}\n`)
    }
  }
  write()
  return (change) => {
    record = { ...record, ...change }
    write()
  }
}

const fileOf = ({ run }: Home) => join(run, 'handover.json')
