import { z } from 'zod'
import { get } from '../route.ts'
import { filter, flag, instant, lenientInteger } from './query.ts'
import { time } from './values.ts'

export const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error'])
export type LogLevel = z.infer<typeof logLevel>

export const logEntry = z.object({
  timestamp: time,
  level: logLevel,
  message: z.string(),
  target: z.string().optional(),
  /** Of the trace and the piece of work in it that the line was written in. */
  trace_id: z.string().optional(),
  span_id: z.string().optional(),
})
export type LogEntry = z.infer<typeof logEntry>

export const logsRoutes = {
  listLogs: get('/api/logs', {
    summary: 'Structured log output',
    kind: 'stream',
    query: z.object({
      lines: lenientInteger(100, 1, 10_000),
      /** The least level; what is no level does not filter. */
      level: logLevel.optional().catch(undefined),
      follow: flag,
      since: instant,
      target: filter,
      q: filter,
      trace_id: filter,
    }),
    response: z.object({ entries: z.array(logEntry) }),
    event: logEntry,
  }),
}
