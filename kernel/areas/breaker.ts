import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { breakerRoutes } from '#sdk/contracts/breaker.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { BreakerStatus } from '#sdk/services/inference.ts'

export const breakerHandlers: Handlers<
  typeof breakerRoutes,
  Pick<Context, 'config' | 'inference' | 'inferenceView'>
> = {
  async getBreakerStatus(_, { config, inferenceView }) {
    const { breakers } = await inferenceView.refresh()
    return { providers: breakers, config: config.current().circuit_breaker, note: breakerNote(breakers) }
  },

  async resetBreaker({ params }, { inference }) {
    const { known } = await inference.resetBreaker({ provider: params.provider })
    if (!known) throw unknownProvider(params.provider)
    return { provider: params.provider, state: 'closed', reset: true }
  },

  async openBreaker({ params }, { inference }) {
    const { known } = await inference.openBreaker({ provider: params.provider })
    if (!known) throw unknownProvider(params.provider)
    return { provider: params.provider, state: 'open', blocked: true, operator_forced_open: true }
  },
}

/** One line for dashboards that look for `open`, else `half`, in it. */
export function breakerNote(breakers: Record<string, BreakerStatus>): string {
  const open = Object.keys(breakers).filter((name) => breakers[name]?.blocked)
  if (open.length > 0) return `open: ${open.join(', ')}`
  const half = Object.values(breakers).filter(({ state }) => state === 'half_open').length
  return half > 0 ? `half: ${half} provider${half === 1 ? '' : 's'}` : 'closed'
}

function unknownProvider(name: string): RuntimeError {
  return new RuntimeError('not_found', `unknown provider '${name}'`)
}
