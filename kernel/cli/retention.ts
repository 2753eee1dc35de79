import { statSync } from 'node:fs'
import { RuntimeError } from '#sdk/errors.ts'
import { openConfig } from '../config/live-config.ts'
import { lockHome } from '../home-lock.ts'
import { incremental, openWritable } from '../store/database.ts'
import { clock } from './clock.ts'
import type { CliSession } from './connection.ts'
import { took, whole } from './figures.ts'

const mebibyte = 1_048_576
/** What a removal of years may take, in milliseconds. */
const pruneMs = 3_600_000

export async function showRetention({ client, out }: CliSession): Promise<void> {
  out.value(await client.retention.getRetention(), ({ kinds, database, runs }) => {
    out.table(
      ['RECORDS', 'KEPT', 'WHAT'],
      kinds.map(({ kind, keep_days, about }) => [kind, keep_days === 0 ? 'for ever' : `${keep_days} days`, about]),
    )
    out.line()
    out.line(`The database takes ${size(database.file_bytes)}, of which ${size(database.free_bytes)} are empty.`)
    if (!database.shrinks) out.line('Its file does not shrink; this mends it: keel stop && keel retention compact')
    if (runs.length > 0) out.line()
    for (const run of runs) out.line(`${clock(run.started_at)}  ${told(run)}`)
  })
}

export async function pruneRecords({ client, out, io }: CliSession): Promise<void> {
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(pruneMs)])
  out.value(await client.retention.pruneRecords({ signal }), (run) => out.line(told(run)))
}

/** Writes the database of a stopped Keel anew, without what is empty in it; from then on its file shrinks by itself. */
export function compactDatabase({ home, out, io, isRemote }: CliSession): void {
  if (isRemote) throw new RuntimeError('invalid', '--url: only the database of this machine can be written anew')
  const lock = lockHome(home)
  try {
    const { path } = openConfig(home, io.env).current().database
    const before = statSync(path).size
    const db = openWritable(path, 'full')
    try {
      db.pragma(`auto_vacuum = ${incremental}`)
      db.exec('VACUUM')
      db.pragma('wal_checkpoint(TRUNCATE)')
    } finally {
      db.close()
    }
    const after = statSync(path).size
    out.value({ before_bytes: before, after_bytes: after }, () =>
      out.line(`The database took ${size(before)} and takes ${size(after)}.`),
    )
  } finally {
    lock.release()
  }
}

interface Told {
  removed: Record<string, number>
  freed_bytes: number
  duration_ms: number
  error: string | null
}

function told({ removed, freed_bytes, duration_ms, error }: Told): string {
  const kinds = Object.entries(removed).map(([kind, count]) => `${whole(count)} ${kind}`)
  const gone =
    kinds.length === 0 ? 'nothing was old enough' : `removed ${kinds.join(', ')}; ${size(freed_bytes)} are free again`
  return `${gone} (${took(duration_ms)})${error === null ? '' : `; ended early: ${error}`}`
}

function size(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`
}
