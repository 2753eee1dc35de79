import { z } from 'zod'
import type { InferenceSettings, ProviderSettings, providerListing } from '#sdk/services/inference.ts'
import { logLine, toUpstreamFailure } from './failure.ts'
import { configuredModels, offlineModel, offlineProvider, withProvider } from './model-names.ts'
import { endpoint } from './providers/endpoint.ts'
import { getJson } from './providers/transport.ts'

type Listing = z.infer<typeof providerListing>

const listTimeoutMs = 8_000
const listFreshMs = 60_000
/** How many models of one provider are listed. */
const maxListed = 5_000

export interface ListQuestion {
  provider?: string | undefined
  /** Ask anew, however fresh the last list is. */
  refresh: boolean
}

/** Asks providers what models they have, all at once, and remembers their lists for a minute. */
export function modelLister(now: () => number) {
  const known = new Map<string, { at: number; url: string; key: string | null; listing: Listing }>()

  async function listOne(provider: ProviderSettings, refresh: boolean): Promise<Listing> {
    const last = known.get(provider.name)
    const isSame = last?.url === provider.url && last.key === provider.api_key
    if (!refresh && last && isSame && now() - last.at < listFreshMs) return last.listing
    const listing = await askProvider(provider)
    known.set(provider.name, { at: now(), url: provider.url, key: provider.api_key, listing })
    return listing
  }

  return async function listModels(settings: InferenceSettings, { provider: only, refresh }: ListQuestion) {
    const wanted = [...settings.providers, offlineProvider].filter(
      ({ name }) => only === undefined || name.toLowerCase() === only.toLowerCase(),
    )
    const listings = await Promise.all(
      wanted.map(async (provider) => [provider.name, await listOne(provider, refresh)] as const),
    )
    const models = new Set(configuredModels(settings))
    for (const [, listing] of listings) for (const model of listing.models) models.add(model)
    for (const { name, models: configured } of wanted) for (const one of configured) models.add(withProvider(name, one))
    return { models: [...models].sort(), providers: Object.fromEntries(listings) }
  }
}

async function askProvider(provider: ProviderSettings): Promise<Listing> {
  const { name, url, format } = provider
  if (format === 'offline') return { status: 'ok', models: [offlineModel], count: 1 }
  if (url === '') return { status: 'skipped', models: [], count: 0, reason: 'missing_url' }
  if (provider.key_status === 'missing') {
    return { status: 'skipped', models: [], count: 0, reason: 'missing_api_key' }
  }
  try {
    const raw = await getJson(endpoint(provider, listPath(provider)), AbortSignal.timeout(listTimeoutMs))
    const names = modelNames(raw)
    if (!names) return { status: 'error', models: [], count: 0, error: 'invalid models discovery response' }
    const models = [...new Set(names.slice(0, maxListed).map((model) => withProvider(name, model)))].sort()
    return { status: 'ok', models, count: models.length }
  } catch (thrown) {
    return failedListing(provider, thrown)
  }
}

function listPath({ name, url, format }: ProviderSettings): string {
  if (format === 'ollama' || name.includes('ollama') || url.includes('11434')) return '/api/tags'
  // Both list a few at a time unless asked for more.
  if (format === 'google') return '/v1beta/models?pageSize=1000'
  return format === 'anthropic' ? '/v1/models?limit=1000' : '/v1/models'
}

const listed = z.object({ id: z.string().optional(), name: z.string().optional(), model: z.string().optional() })
const listAnswer = z.object({ models: z.array(listed).optional(), data: z.array(listed).optional() })

/** Names in the form of OpenAI and Anthropic (`data`), of Ollama or of Google (`models`). */
function modelNames(raw: unknown): string[] | undefined {
  const parsed = listAnswer.safeParse(raw)
  if (!parsed.success) return undefined
  const { models, data } = parsed.data
  if (models) return models.flatMap(({ name, model }) => (name ?? model)?.replace(/^models\//, '') ?? [])
  return data?.flatMap(({ id }) => id ?? [])
}

/** The words never hold the address, which may hold the key. */
function failedListing(provider: ProviderSettings, thrown: unknown): Listing {
  const nothing = { models: [], count: 0 }
  if (thrown instanceof Error && thrown.name === 'TimeoutError') {
    return {
      status: 'unreachable',
      ...nothing,
      error: `no answer within ${listTimeoutMs / 1000} s`,
      ...hintFor(provider),
    }
  }
  const failure = toUpstreamFailure(thrown)
  if (failure.facts.status !== undefined) return { status: 'error', ...nothing, error: `http ${failure.facts.status}` }
  if (failure.category === 'invalid_answer' || failure.category === 'too_large') {
    return { status: 'error', ...nothing, error: 'invalid models discovery response' }
  }
  return { status: 'unreachable', ...nothing, error: logLine(failure.message), ...hintFor(provider) }
}

function hintFor({ is_local: isLocal, name }: ProviderSettings): { hint?: string } {
  return isLocal ? { hint: `Is ${name} running, and does providers.${name}.url name its port?` } : {}
}
