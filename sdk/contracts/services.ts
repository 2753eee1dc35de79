import { z } from 'zod'
import { get, post } from '../route.ts'
import { count, time } from './values.ts'

/** `idle`: not asked for yet. `down`: past its restart budget, tried again at a slow pace. `stopped`: the kernel is leaving. */
export const serviceState = z.enum(['idle', 'starting', 'ready', 'restarting', 'down', 'stopped'])
export type ServiceState = z.infer<typeof serviceState>

export const serviceStatus = z.object({
  name: z.string(),
  state: serviceState,
  pid: z.int().nullable(),
  /** Grows with each process that took the service over. */
  generation: count,
  /** Restarts that nobody asked for. */
  crashes: count,
  started_at: time.nullable(),
  /** Why it is not ready, or why the last process ended. */
  reason: z.string().nullable(),
  memory_bytes: count.nullable(),
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
