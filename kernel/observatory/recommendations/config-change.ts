import type { Config } from '#kernel/config/schema.ts'
import { providerOf } from '#kernel/inference/model-name.ts'
import type { ConfigChange } from '#sdk/contracts/recommendations.ts'
import { isOffline } from '../analysis/cheapest-model.ts'
import { answered, type Behaviour, type ModelUse } from './behaviour.ts'

/** How long an answer may come from the cache where it seldom does, in seconds. */
const longTtlSeconds = 86_400
/** The weight of cost where one is set. */
const fairCostWeight = 0.5

type Remedy = ConfigChange | null | typeof answered

/** Sets `path`, or the keys of the table at `path`, to what `to` has. */
function changeOf(path: string, from: unknown, to: unknown): ConfigChange {
  const patch = path.split('.').reduceRight<unknown>((value, key) => ({ [key]: value }), to)
  return { path, from, to, patch: patch as ConfigChange['patch'] }
}

/** Has the router weigh what a model costs. With nothing to choose from that is of no use. */
export function costAwareRouting({ config: { models } }: Behaviour): Remedy {
  const { mode, cost_aware, cost_weight, blocked_models: blocked } = models.routing
  const choice = chainOf(models).filter((model) => !isOffline(model) && !blocked.includes(model))
  if (choice.length < 2) return null
  if (mode !== 'metascore') {
    return changeOf('models.routing', { mode, cost_aware }, { mode: 'metascore', cost_aware: true })
  }
  if (cost_weight !== null) {
    return cost_weight >= fairCostWeight
      ? answered
      : changeOf('models.routing.cost_weight', cost_weight, fairCostWeight)
  }
  return cost_aware ? answered : changeOf('models.routing.cost_aware', false, true)
}

export function moreCaching({ config: { cache } }: Behaviour): Remedy {
  if (!cache.enabled) return changeOf('cache.enabled', false, true)
  const { exact_match_ttl_seconds: ttl } = cache
  return ttl >= longTtlSeconds ? answered : changeOf('cache.exact_match_ttl_seconds', ttl, longTtlSeconds)
}

/** Keeps the worse of two models from being chosen where the better one can be. */
export function preferBetter({ config }: Behaviour, better: string, worse: string): Remedy {
  const { models } = config
  const { mode, blocked_models: blocked, canary_model: canary } = models.routing
  const chain = chainOf(models)
  if (!chain.includes(worse) || blocked.includes(worse)) return answered
  if (blocked.includes(better) || !hasProvider(config, better)) return null
  const stands = chain.includes(better)
  if (mode === 'primary' || !stands) {
    const isAhead = stands && chain.indexOf(better) < chain.indexOf(worse)
    return isAhead ? answered : firstInChain(models, better)
  }
  // A canary must not be blocked, and is tried by choice.
  if (worse === canary) return null
  return changeOf('models.routing.blocked_models', blocked, [...blocked, worse])
}

/** Puts the model that answers most in front. */
export function mostUsedFirst({ config }: Behaviour, mostUsed: ModelUse): Remedy {
  const { models } = config
  if (models.primary === mostUsed.model) return answered
  if (models.routing.blocked_models.includes(mostUsed.model) || !hasProvider(config, mostUsed.model)) return null
  return firstInChain(models, mostUsed.model)
}

export function memoryByModel({ config: { memory } }: Behaviour): Remedy {
  return memory.extract_by_model ? null : changeOf('memory.extract_by_model', false, true)
}

function firstInChain(models: Config['models'], first: string): ConfigChange {
  const { primary, fallbacks } = models
  const others = chainOf(models).filter((model) => model !== first && !isOffline(model))
  return changeOf('models', { primary, fallbacks }, { primary: first, fallbacks: others })
}

function chainOf({ primary, fallbacks }: Config['models']): string[] {
  return [...new Set([primary, ...fallbacks])]
}

function hasProvider({ providers }: Config, model: string): boolean {
  return Object.hasOwn(providers, providerOf(model))
}
