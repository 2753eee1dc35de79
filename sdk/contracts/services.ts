import { z } from 'zod'
import { get, post } from '../route.ts'
import { count, time } from './values.ts'

/** `stopped`: not asked for yet, or the kernel is leaving. `down`: past its restart budget, tried again at a slow pace. */
export const serviceState = z.enum(['stopped', 'starting', 'ready', 'backing_off', 'down'])
export type ServiceState = z.infer<typeof serviceState>

export const serviceStatus = z.object({
  name: z.string(),
  state: serviceState,
  pid: z.int().nullable(),
  /** Grows with each process that took the service over. */
  generation: count,
  /** Processes that took over after the first, asked for or not. */
  restarts: count,
  started_at: time.nullable(),
  uptime_seconds: count,
  rss_bytes: count.nullable(),
  /** User and system time of the process so far, in seconds; null of a kernel that does not tell. */
  cpu_seconds: z.number().nonnegative().nullable().default(null),
  calls_in_flight: count,
  /** Calls that wait for a process. */
  queued_calls: count,
  /** Why the last process ended or could not start. */
  last_error: z.string().nullable(),
  /** Started by the first call rather than with the kernel. */
  lazy: z.boolean(),
})
export type ServiceStatus = z.infer<typeof serviceStatus>

export const servicesRoutes = {
  listServices: get('/api/services', {
    summary: 'List service processes and their state',
    response: z.object({ services: z.array(serviceStatus), count }),
  }),
  restartService: post('/api/services/:name/restart', {
    summary: 'Replace a service process without losing calls',
    response: z.object({ name: z.string(), restarted: z.literal(true), service: serviceStatus }),
  }),
}
