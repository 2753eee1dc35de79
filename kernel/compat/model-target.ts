import type { Config } from '#kernel/config/schema.ts'
import { offlineModel } from '#kernel/config/sections/models.ts'
import { RuntimeError } from '#sdk/errors.ts'

/** Who answers: a model directly, or a turn of the agent. `auto` leaves the choice of the model to the router. */
export interface Target {
  mode: 'proxy' | 'agent'
  model: string
}

export const routedModel = 'auto'
export const agentModel = 'keel/agent'

/** Further names for the router. They win over an agent of the same name. */
const routerNames: ReadonlySet<string> = new Set([routedModel, 'default', 'keel', 'keel/auto'])
const agentNames: ReadonlySet<string> = new Set(['agent', agentModel])

/** What a client's model name means here. Throws `not_found` with the code that clients of OpenAI look for. */
export function resolveTarget(config: Config, name: string): Target {
  if (routerNames.has(name)) return { mode: 'proxy', model: routedModel }
  if (isAgentName(config, name)) return { mode: 'agent', model: routedModel }
  return { mode: 'proxy', model: resolveModelName(config, name, configuredModels(config)) }
}

/** The full `provider/model` of a name that may lack its provider; `known` are the full names it may stand for. */
export function resolveModelName(config: Config, name: string, known: readonly string[]): string {
  if (name === offlineModel) return name
  const slash = name.indexOf('/')
  if (slash > 0 && slash < name.length - 1 && Object.hasOwn(config.providers, name.slice(0, slash))) return name
  const meant = known.filter((full) => full.endsWith(`/${name}`))
  if (meant.length === 1) return meant[0] as string
  if (meant.length > 1) throw unknownModel(`The model '${name}' may mean ${meant.join(' or ')}: name one of them`)
  throw unknownModel(`The model '${name}' does not exist or is not configured`)
}

/** Whether a name is one of those that mean the agent. The id of the agent may be one of the router's names. */
export function isAgentName({ agent }: Config, name: string): boolean {
  return agentNames.has(name) || name === `${agentModel}/${agent.id}` || (name === agent.id && !routerNames.has(name))
}

const namesOf = new WeakMap<Config, readonly string[]>()

/** Every full name that the configuration spells out, each once: primary, fallbacks, then the providers' own. */
export function configuredModels(config: Config): readonly string[] {
  const known = namesOf.get(config)
  if (known) return known
  const { models, providers } = config
  const own = Object.entries(providers).flatMap(([provider, { model, models: list }]) =>
    [...(model === null ? [] : [model]), ...list].map((name) => fullName(provider, name)),
  )
  const names = [...new Set([models.primary, ...models.fallbacks, ...own])]
  namesOf.set(config, names)
  return names
}

export function fullName(provider: string, model: string): string {
  return model.startsWith(`${provider}/`) ? model : `${provider}/${model}`
}

export function unknownModel(message: string): RuntimeError {
  return new RuntimeError('not_found', message, { code: 'model_not_found', param: 'model' })
}
