import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { breakerNote } from '#kernel/inference/breaker-note.ts'
import type { breakerRoutes } from '#sdk/contracts/breaker.ts'
import { RuntimeError } from '#sdk/errors.ts'

export const breakerHandlers: Handlers<
  typeof breakerRoutes,
  Pick<Context, 'config' | 'inference' | 'inferenceView'>
> = {
  async getBreakerStatus(_, { config, inferenceView }) {
    const { breakers } = await inferenceView.refresh()
    return { providers: breakers, config: config.current().circuit_breaker, note: breakerNote(breakers) }
  },

  async resetBreaker({ params }, { inference, inferenceView }) {
    const { known } = await inference.resetBreaker({ provider: params.provider })
    if (!known) throw unknownProvider(params.provider)
    await inferenceView.refresh()
    return { provider: params.provider, state: 'closed', reset: true }
  },

  async openBreaker({ params }, { inference, inferenceView }) {
    const { known } = await inference.openBreaker({ provider: params.provider })
    if (!known) throw unknownProvider(params.provider)
    await inferenceView.refresh()
    return { provider: params.provider, state: 'open', blocked: true, operator_forced_open: true }
  },
}

function unknownProvider(name: string): RuntimeError {
  return new RuntimeError('not_found', `unknown provider '${name}'`)
}
