import type { InferenceSettings, ProviderSettings } from '#sdk/services/inference.ts'

/** The provider that is always there, and its one model. */
export const offlineProvider: ProviderSettings = {
  name: 'keel',
  url: '',
  format: 'offline',
  api_key: null,
  key_status: 'not_required',
  chat_path: null,
  auth_header: null,
  extra_headers: {},
  is_local: true,
  tier: 'T1',
  models: ['offline'],
  cost_per_input_token: 0,
  cost_per_output_token: 0,
  tpm_limit: null,
  rpm_limit: null,
  embedding_model: null,
}
export const offlineModel = 'keel/offline'

/** `provider/model`, where the model may itself contain slashes. */
export function splitModel(model: string): { provider: string; bare: string } {
  const slash = model.indexOf('/')
  return slash < 0 ? { provider: '', bare: model } : { provider: model.slice(0, slash), bare: model.slice(slash + 1) }
}

export function findProvider(settings: InferenceSettings, name: string): ProviderSettings | undefined {
  return (
    settings.providers.find((provider) => provider.name === name) ?? (name === 'keel' ? offlineProvider : undefined)
  )
}

export function providerOf(settings: InferenceSettings, model: string): ProviderSettings | undefined {
  return findProvider(settings, splitModel(model).provider)
}

/** Primary, then fallbacks, each once. With nothing configured it is the built-in model. */
export function configuredModels({ primary, fallbacks }: InferenceSettings): string[] {
  const named = [primary, ...fallbacks].filter((model) => model !== '')
  return named.length > 0 ? [...new Set(named)] : [offlineModel]
}

/**
 * The full name of the model a request asks for; undefined when the router is to choose. A bare name means the
 * configured model that ends in it. `unknown` when its provider is not configured.
 */
export function resolveModel(
  settings: InferenceSettings,
  asked: string,
): { model: string; known: boolean } | undefined {
  if (asked === 'auto') return undefined
  if (providerOf(settings, asked)) return { model: asked, known: true }
  const names = [
    ...configuredModels(settings),
    ...settings.providers.flatMap(({ name, models }) => models.map((model) => withProvider(name, model))),
  ]
  const full = names.find((name) => name.endsWith(`/${asked}`))
  return full && providerOf(settings, full) ? { model: full, known: true } : { model: asked, known: false }
}

export function withProvider(provider: string, model: string): string {
  return model.startsWith(`${provider}/`) ? model : `${provider}/${model}`
}

export type Tier = NonNullable<ProviderSettings['tier']>

/** How strong a model is: its own override, else its provider's setting, else what its name says. */
export function tierOf(settings: InferenceSettings, model: string): Tier {
  const own = Object.hasOwn(settings.model_overrides, model) ? settings.model_overrides[model]?.tier : undefined
  return own ?? providerOf(settings, model)?.tier ?? tierOfName(model.toLowerCase())
}

function tierOfName(name: string): Tier {
  if (/ollama|local|phi|qwen/.test(name)) return 'T1'
  if (/flash|haiku|(?<!ge)mini/.test(name)) return 'T2'
  if (/opus|gpt-5|\bo1\b|\bo3\b/.test(name)) return 'T4'
  if (/sonnet|gpt-4|codex|gemini-2|gemini-3|moonshot|kimi/.test(name)) return 'T3'
  return 'T2'
}
