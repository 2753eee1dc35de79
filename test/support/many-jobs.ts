import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Daemon } from './daemon.ts'

/** As many copies of one job as wanted, due one after the other from `from` on until `until`, in a home that nobody has open. */
export function copyJob(home: string, count: number, { from, until }: { from: number; until: number }): void {
  const db = new Database(join(home, 'keel.db'))
  const columns = (db.prepare(`SELECT name FROM pragma_table_info('cron_jobs')`).all() as { name: string }[]).map(
    ({ name }) => name,
  )
  const own = new Map([
    ['id', `'job-' || @at`],
    ['name', `'job ' || @at`],
    ['next_run_at', '@due'],
    ['enabled', '1'],
  ])
  const values = columns.map((name) => own.get(name) ?? name).join(', ')
  const copy = db.prepare(
    `INSERT INTO cron_jobs (${columns.join(', ')}) SELECT ${values} FROM cron_jobs WHERE name = 'pattern'`,
  )
  db.transaction(() => {
    for (let at = 0; at < count; at++) {
      const due = new Date(from + Math.floor(((until - from) * at) / count)).toISOString()
      copy.run({ at, due })
    }
  })()
  db.close()
}

/** The job of which copies are made; itself it never runs. */
export async function createPattern({ client }: Pick<Daemon, 'client'>): Promise<void> {
  await client.cron.createJob({
    body: {
      name: 'pattern',
      enabled: false,
      schedule_kind: 'every',
      schedule_expr: '30d',
      payload_json: { action: 'noop' },
    },
  })
}
