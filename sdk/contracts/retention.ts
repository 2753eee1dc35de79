import { z } from 'zod'
import { get, post } from '../route.ts'
import { clampedInteger } from './query.ts'
import { count, milliseconds, time } from './values.ts'

const bytes = count

export const retentionRun = z.object({
  id: z.string(),
  started_by: z.enum(['housekeeping', 'job', 'operator']),
  started_at: time,
  duration_ms: milliseconds,
  /** How many of each kind went; a kind of which none went is left out. */
  removed: z.record(z.string(), count),
  /** Of the database: they are filled again before the file grows, and leave the file where it can shrink. */
  freed_bytes: bytes,
  /** The database's file after it. */
  file_bytes: bytes,
  /** Why it ended early. */
  error: z.string().nullable(),
})

export const retentionRoutes = {
  getRetention: get('/api/retention', {
    summary: 'How long each kind of record is kept, and what the last runs removed',
    query: z.object({ limit: clampedInteger(10, 1, 100) }),
    response: z.object({
      kinds: z.array(
        z.object({
          kind: z.string(),
          about: z.string(),
          /** 0: for ever. */
          keep_days: count,
        }),
      ),
      running: z.boolean(),
      database: z.object({ file_bytes: bytes, free_bytes: bytes, shrinks: z.boolean() }),
      /** Newest first. */
      runs: z.array(retentionRun),
    }),
  }),
  pruneRecords: post('/api/retention/prune', {
    summary: 'Remove what is older than it is kept, now',
    response: retentionRun,
  }),
}
