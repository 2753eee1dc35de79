import type { ProviderSettings } from '#sdk/services/inference.ts'
import { anthropicProvider } from './anthropic.ts'
import { googleProvider } from './google.ts'
import { offlineProvider } from './offline.ts'
import { openaiProvider } from './openai.ts'
import type { Provider } from './provider-call.ts'

/** Made ready with the first call: a process that calls no provider of a format does not load what it takes. */
export const providerByFormat: Record<ProviderSettings['format'], () => Promise<Provider>> = {
  openai: openaiProvider,
  // Ollama speaks OpenAI's protocol under /v1.
  ollama: openaiProvider,
  anthropic: anthropicProvider,
  google: googleProvider,
  offline: async () => offlineProvider,
}
