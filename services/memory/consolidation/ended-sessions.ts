import { sql } from '../reading.ts'
import type { MemoryRow, Step } from './consolidation.ts'

/** What was in mind in a conversation that is over is in mind no more; what happened in it stays. */
export async function leaveEndedSessions({ db, run, report }: Step): Promise<void> {
  const ended = sql(
    db,
    `SELECT m.session_id, s.status FROM (
       SELECT DISTINCT session_id FROM memories WHERE tier = 'working' AND state = 'active' AND session_id IS NOT NULL
     ) m LEFT JOIN sessions s ON s.id = m.session_id WHERE s.status IS NULL OR s.status <> 'active'`,
  ).all() as { session_id: string; status: 'archived' | 'expired' | null }[]
  const entries = sql(
    db,
    `SELECT id, tier FROM memories WHERE session_id = ? AND tier = 'working' AND state = 'active' ORDER BY seq`,
  )
  for (const [at, { session_id, status }] of ended.entries()) {
    if (run.isFull) return
    for (const row of entries.all(session_id) as Pick<MemoryRow, 'id' | 'tier'>[]) {
      run.drop(row, status === null ? 'its session is gone' : `its session is ${status}`)
      run.counts.dropped++
    }
    await report(at, ended.length)
  }
  await report(ended.length, ended.length)
}
