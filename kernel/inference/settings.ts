import { budgetSettingsOf } from '#kernel/budgets/lines.ts'
import type { Config, ProviderConfig } from '#kernel/config/schema.ts'
import type { ProviderKeys } from '#kernel/secrets/provider-keys.ts'
import type { InferenceSettings, ProviderSettings } from '#sdk/services/inference.ts'

/** The configuration as the inference service needs it, with each provider's key in clear. */
export function inferenceSettingsOf(config: Config, keys: ProviderKeys, override: string | null): InferenceSettings {
  const { models, circuit_breaker, cache, memory } = config
  return {
    providers: Object.entries(config.providers).map(([name, provider]) => providerSettingsOf(name, provider, keys)),
    primary: models.primary,
    fallbacks: models.fallbacks,
    override,
    model_overrides: Object.fromEntries(
      Object.entries(models.model_overrides).map(([model, set]) => [
        model,
        {
          tier: set.tier ?? null,
          cost_per_input_token: set.cost_per_input_token ?? null,
          cost_per_output_token: set.cost_per_output_token ?? null,
        },
      ]),
    ),
    routing: {
      ...models.routing,
      cost_weight: models.routing.cost_weight ?? null,
      canary_model: models.routing.canary_model ?? null,
    },
    breaker: circuit_breaker,
    cache: {
      enabled: cache.enabled,
      ttl_seconds: cache.exact_match_ttl_seconds,
      semantic_threshold: cache.semantic_threshold,
      max_entries: cache.max_entries,
    },
    embedding_model:
      memory.embedding_provider && memory.embedding_model
        ? `${memory.embedding_provider}/${memory.embedding_model}`
        : null,
    budgets: budgetSettingsOf(config),
  }
}

function providerSettingsOf(name: string, provider: ProviderConfig, keys: ProviderKeys): ProviderSettings {
  const { key, status } = keys.resolve(name, provider)
  return {
    name,
    url: provider.url,
    format: provider.format,
    api_key: key,
    key_status: status,
    chat_path: provider.chat_path ?? null,
    auth_header: provider.auth_header ?? null,
    extra_headers: provider.extra_headers,
    is_local: provider.is_local,
    tier: provider.tier ?? null,
    models: provider.models,
    cost_per_input_token: provider.cost_per_input_token ?? null,
    cost_per_output_token: provider.cost_per_output_token ?? null,
    tpm_limit: provider.tpm_limit ?? null,
    rpm_limit: provider.rpm_limit ?? null,
    embedding_model: provider.embedding_model ?? null,
  }
}
