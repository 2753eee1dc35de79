import { z } from 'zod'
import { get, post } from '../route.ts'
import { breakerStatus } from '../services/inference.ts'

export const breakerRoutes = {
  getBreakerStatus: get('/api/breaker/status', {
    summary: 'All provider breaker states',
    response: z.object({
      providers: z.record(z.string(), breakerStatus),
      config: z.object({
        threshold: z.number(),
        cooldown_seconds: z.number(),
        max_cooldown_seconds: z.number(),
        window_seconds: z.number(),
      }),
      /** `closed`, `half: <n> provider(s)` or `open: <names>`; dashboards look for the word `open`. */
      note: z.string(),
    }),
  }),
  resetBreaker: post('/api/breaker/reset/:provider', {
    summary: 'Reset a provider breaker',
    response: z.object({ provider: z.string(), state: z.literal('closed'), reset: z.literal(true) }),
  }),
  openBreaker: post('/api/breaker/open/:provider', {
    summary: 'Hold a provider breaker open until it is reset',
    response: z.object({
      provider: z.string(),
      state: z.literal('open'),
      blocked: z.literal(true),
      operator_forced_open: z.literal(true),
    }),
  }),
}
