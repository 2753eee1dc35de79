import { z } from 'zod'
import { get } from '../route.ts'
import { breakerState } from '../services/inference.ts'
import { serviceState } from './services.ts'
import { count } from './values.ts'

export const health = z.object({
  /** `warning`: the database cannot be written, the scheduler has stopped, or every breaker is open. */
  status: z.enum(['ok', 'warning']),
  version: z.string(),
  agent: z.string(),
  uptime_seconds: count,
  models: z.object({ primary: z.string(), current: z.string(), fallbacks: z.array(z.string()) }),
  providers: z.array(z.object({ name: z.string(), state: breakerState })),
  checks: z.object({
    database: z.enum(['ok', 'error']),
    /** What is wrong with the database or its disk, in plain words. */
    database_reason: z.string().optional(),
    /** `stalled`: it has not looked at what is due for a while. */
    scheduler: z.enum(['ok', 'stalled']).optional(),
    providers: z.record(z.string(), breakerState),
    services: z.record(z.string(), serviceState),
  }),
})
export type Health = z.infer<typeof health>

export const healthRoutes = {
  getHealth: get('/api/health', {
    summary: 'Quick health check (status, uptime, version)',
    auth: 'public',
    response: health,
  }),
}
