import type { RealHandlers } from '#kernel/areas/pending.ts'
import type { Context } from '#kernel/context.ts'
import type { modelsRoutes } from '#sdk/contracts/models.ts'
import { RuntimeError } from '#sdk/errors.ts'

/** Choices that are replayed unless more or fewer are asked for. */
const defaultEvaluatedRows = 1_000

export const modelsHandlers: RealHandlers<
  'models',
  typeof modelsRoutes,
  Pick<Context, 'config' | 'store' | 'costs' | 'inference' | 'inferenceView'>
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

  getRoutingDataset({ query }, { store, costs }) {
    requireOrder(query)
    costs.flush()
    return store.pool.run('routingDataset', query)
  },

  evaluateRouting({ body }, { config, store, costs }) {
    const { since, until, limit = defaultEvaluatedRows, ...proposed } = body
    requireOrder(body)
    costs.flush()
    const { routing } = config.current().models
    const weights = {
      accuracy_floor: proposed.accuracy_floor ?? routing.accuracy_floor,
      accuracy_min_obs: routing.accuracy_min_obs,
      cost_aware: proposed.cost_aware ?? routing.cost_aware,
      cost_weight: proposed.cost_weight === undefined ? (routing.cost_weight ?? null) : proposed.cost_weight,
    }
    return store.pool.run('evaluateRouting', { since, until, limit, weights })
  },
}

function requireOrder({ since, until }: { since?: string | undefined; until?: string | undefined }) {
  if (since !== undefined && until !== undefined && until < since)
    throw new RuntimeError('invalid', 'until must not be before since')
}
