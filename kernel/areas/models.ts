import type { RealHandlers } from '#kernel/areas/pending.ts'
import type { Context } from '#kernel/context.ts'
import type { modelsRoutes } from '#sdk/contracts/models.ts'

export const modelsHandlers: RealHandlers<
  'models',
  typeof modelsRoutes,
  Pick<Context, 'config' | 'store' | 'inference' | 'inferenceView'>
> = {
  async listAvailableModels({ query, signal }, { config, inference }) {
    const { provider, validation_level, refresh } = query
    const listing = await inference.listModels(
      { provider, refresh: refresh || validation_level !== 'zero', probe: validation_level === 'probe' },
      { signal },
    )
    const { primary, fallbacks } = config.current().models
    const models = [...new Set([...listing.models, primary, ...fallbacks])].sort()
    return {
      models,
      count: models.length,
      validation_level,
      proxy: { mode: 'in_process' },
      providers: listing.providers,
    }
  },

  async listSelections({ query }, { store }) {
    const events = await store.pool.run('listSelections', query)
    return { events, count: events.length }
  },

  async getRoutingDiagnostics({ signal }, { config, inference, inferenceView }) {
    const [{ profiles }, { breakers }] = await Promise.all([
      inference.routingDiagnostics({}, { signal }),
      inferenceView.refresh(),
    ])
    const { routing } = config.current().models
    return {
      config: { ...routing, cost_weight: routing.cost_weight ?? null },
      profiles,
      circuit_breakers: breakers,
      shadow_predictions: [],
    }
  },
}
