import { offlineModel } from '#kernel/config/sections/models.ts'
import type { Context } from '#kernel/context.ts'
import { providerOf } from '#kernel/inference/model-name.ts'
import { agentModel, configuredModels, isAgentName, routedModel } from './model-target.ts'

/** How long a list of models waits for what the providers say they have, in milliseconds. */
const discoveryTimeoutMs = 3_000
/** What answers under a name of Keel's own. */
const ownProvider = 'keel'

export interface ListedModel {
  id: string
  provider: string
}

type ListContext = Pick<Context, 'config' | 'inference' | 'log'>

/** What a client may name: what is configured, what the providers have, the router and the agent. */
export async function listModels({ config, inference, log }: ListContext, signal: AbortSignal): Promise<ListedModel[]> {
  const current = config.current()
  const configured = configuredModels(current).filter((name) => isServed(current.providers, name))
  const discovered = await discoverModels({ inference, log }, signal)
  const { id } = current.agent
  const own = [routedModel, agentModel, ...(isAgentName(current, id) ? [id] : []), offlineModel]
  const served = [...new Set([...configured, ...discovered])].filter((name) => name !== offlineModel)
  return [
    ...served.map((name) => ({ id: name, provider: providerOf(name) })),
    ...own.map((name) => ({ id: name, provider: ownProvider })),
  ]
}

function isServed(providers: Record<string, unknown>, name: string): boolean {
  return name.includes('/') && Object.hasOwn(providers, providerOf(name))
}

/** The lists that the inference service keeps. Without them there is still what is configured. */
async function discoverModels({ inference, log }: Omit<ListContext, 'config'>, signal: AbortSignal): Promise<string[]> {
  try {
    const { providers } = await inference.listModels({}, { signal, timeoutMs: discoveryTimeoutMs })
    return Object.values(providers).flatMap(({ models }) => models)
  } catch (err) {
    signal.throwIfAborted()
    log.warn({ err }, 'models are listed without what the providers have')
    return []
  }
}
