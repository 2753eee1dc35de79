import { z } from 'zod'
import {
  choice,
  flag,
  headerValue,
  httpUrl,
  isHeaderName,
  optionalChoice,
  optionalInteger,
  optionalNumber,
  optionalText,
  record,
  table,
  textList,
} from '../fields.ts'

export const tiers = ['T1', 'T2', 'T3', 'T4'] as const
export const providerFormats = ['openai', 'anthropic', 'ollama', 'google'] as const

/** Bundled under `keel/`; a provider of that name would hide it. */
export const offlineProvider = 'keel'

const providerNameShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const environmentName = /^[A-Za-z_][A-Za-z0-9_]*$/

const variable = z
  .string('expected the name of an environment variable')
  .refine((value) => value === '' || environmentName.test(value), 'expected the name of an environment variable')
  .transform((value) => value || null)

const authHeader = z
  .string('expected a header name, or "query:NAME"')
  .refine((value) => /^query:[A-Za-z0-9_.-]+$/.test(value) || isHeaderName(value), {
    error: 'expected a header name, or "query:NAME"',
  })

export const provider = table({
  url: httpUrl('put the key in api_key_env'),
  format: choice(providerFormats, 'openai'),
  model: optionalText(),
  /** Names after the slash of `provider/model`. */
  models: textList(),
  api_key_env: variable.nullable().default(null),
  api_key: optionalText(),
  /** `keystore:NAME`, a sealed entry. */
  api_key_ref: optionalText(),
  auth_mode: choice(['api_key', 'oauth'], 'api_key'),
  auth_header: authHeader.nullable().default(null),
  oauth_client_id: optionalText(),
  oauth_redirect_uri: optionalText(),
  chat_path: optionalText(),
  extra_headers: record(headerValue).default({}),
  is_local: flag(false),
  tier: optionalChoice(tiers),
  cost_per_input_token: optionalNumber(),
  cost_per_output_token: optionalNumber(),
  max_tokens: optionalInteger(1),
  supports_streaming: flag(true),
  tpm_limit: optionalInteger(1),
  rpm_limit: optionalInteger(1),
  embedding_path: optionalText(),
  embedding_model: optionalText(),
  embedding_dimensions: optionalInteger(1, 65_536),
})

export type ProviderConfig = z.infer<typeof provider>

export const providers = z
  .record(
    z
      .string()
      .refine(
        (name) => providerNameShape.test(name) && name !== offlineProvider,
        'expected a provider name of letters, digits, ".", "_" and "-", other than "keel"',
      ),
    provider,
    { error: (issue) => (issue.code === 'invalid_key' ? undefined : 'expected a table') },
  )
  .default({})

/** What a provider may say of itself, for suggestions when a key is misspelt. */
export const providerKeys = Object.keys(provider.shape)
