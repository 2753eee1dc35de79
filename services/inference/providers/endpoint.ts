import type { ProviderSettings } from '#sdk/services/inference.ts'

export interface Endpoint {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

/** How a format's own servers expect the key where the settings do not say. */
const usualAuthHeader = {
  openai: 'Authorization',
  ollama: 'Authorization',
  anthropic: 'x-api-key',
  google: 'x-goog-api-key',
}

const anthropicVersion = '2023-06-01'

/** The last one of each provider: most calls go where the one before went. */
const lastOf = new WeakMap<ProviderSettings, { path: string; endpoint: Endpoint }>()

/**
 * Address and headers for one call, not to be changed. `path` begins with the API's version, which is left out when the configured URL
 * already ends in one: both `https://api.example.org` and `https://api.example.org/v1` are what people write.
 */
export function endpoint(settings: ProviderSettings, path: string): Endpoint {
  const last = lastOf.get(settings)
  if (last?.path === path) return last.endpoint
  const made = makeEndpoint(settings, path)
  lastOf.set(settings, { path, endpoint: made })
  return made
}

function makeEndpoint(settings: ProviderSettings, path: string): Endpoint {
  const base = settings.url.replace(/\/+$/, '')
  const versioned = /\/v\d+[a-z]*$/.test(base) ? path.replace(/^\/v\d+[a-z]*(?=\/)/, '') : path
  const url = new URL(base + versioned)
  const headers: Record<string, string> = {
    accept: 'application/json, text/event-stream',
    'accept-encoding': 'identity',
    'user-agent': 'keel',
  }
  if (settings.format === 'anthropic') headers['anthropic-version'] = anthropicVersion
  for (const [name, value] of Object.entries(settings.extra_headers)) headers[name.toLowerCase()] = value
  if (settings.api_key !== null && settings.format !== 'offline') {
    authenticate(url, headers, settings.auth_header ?? usualAuthHeader[settings.format], settings.api_key)
  }
  return { url, headers }
}

function authenticate(url: URL, headers: Record<string, string>, style: string, key: string) {
  if (style.startsWith('query:')) url.searchParams.set(style.slice('query:'.length), key)
  else if (style.toLowerCase() === 'authorization') headers.authorization = `Bearer ${key}`
  else headers[style.toLowerCase()] = key
}
