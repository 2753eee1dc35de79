import { isTable, type Table } from './key-path.ts'
import type { Config, ProviderConfig } from './schema.ts'

/** Stands for a secret in what is shown; sent back, it means "unchanged". */
export const placeholder = '***'

const secretKey =
  /(^|[_-])(api[_-]?key|key|token|secret|password|passphrase|passwd|mnemonic|private_key|authorization|cookie|credentials?)$/i

/** Whether a key's text is a secret. Keys that name where one is kept (`…_env`, `…_ref`) are not. */
export function isSecretKey(key: string): boolean {
  return secretKey.test(key)
}

/** How a provider's key stands, in the words of the API. */
export interface KeyState {
  source: string
  status: string
}

const shownProviderKeys = [
  'url',
  'chat_path',
  'model',
  'models',
  'format',
  'api_key_ref',
  'api_key_env',
  'auth_mode',
  'auth_header',
  'is_local',
  'cost_per_input_token',
  'cost_per_output_token',
  'max_tokens',
  'supports_streaming',
  'tier',
  'tpm_limit',
  'rpm_limit',
  'extra_headers',
  'embedding_path',
  'embedding_model',
  'embedding_dimensions',
] as const satisfies readonly (keyof ProviderConfig)[]

/** The configuration as `GET /api/config` shows it: no secret in it, and how each provider's key stands. */
export function redactedConfig(config: Config, keyOf: (name: string, provider: ProviderConfig) => KeyState): Table {
  const { providers, server, telemetry, ...rest } = config
  const { api_key: _, ...shownServer } = server
  const shownProviders = Object.entries(providers).map(([name, provider]) => {
    const { source, status } = keyOf(name, provider)
    const shown = Object.fromEntries(shownProviderKeys.map((key) => [key, hideSecrets(provider[key], key)]))
    return [name, { ...shown, _key_status: status, _key_source: source, _provider_name: name }]
  })
  // Whatever a collector's headers are called, they are there to let Keel in.
  const otlp_headers = Object.fromEntries(Object.keys(telemetry.otlp_headers).map((name) => [name, placeholder]))
  const shownTelemetry = { ...telemetry, otlp_headers }
  const sections = hideSecrets({ ...rest, server: shownServer, telemetry: shownTelemetry }) as Table
  return { ...sections, providers: Object.fromEntries(shownProviders) }
}

/** The value with every secret text in it replaced, at any depth. */
export function hideSecrets(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return value !== '' && isSecretKey(key) ? placeholder : withoutPassword(value)
  if (Array.isArray(value)) return value.map((entry) => hideSecrets(entry, key))
  if (!isTable(value)) return value
  return Object.fromEntries(Object.entries(value).map(([inner, entry]) => [inner, hideSecrets(entry, inner)]))
}

/** A URL may carry a password in front of its host. */
function withoutPassword(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/\s:@]*):[^/\s@]+@/i, `$1:${placeholder}@`)
}
