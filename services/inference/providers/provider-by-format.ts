import type { ProviderSettings } from '#sdk/services/inference.ts'
import { anthropicProvider } from './anthropic.ts'
import { googleProvider } from './google.ts'
import { offlineProvider } from './offline.ts'
import { openaiProvider } from './openai.ts'
import type { Provider } from './provider-call.ts'

export const providerByFormat: Record<ProviderSettings['format'], Provider> = {
  openai: openaiProvider,
  // Ollama speaks OpenAI's protocol under /v1.
  ollama: openaiProvider,
  anthropic: anthropicProvider,
  google: googleProvider,
  offline: offlineProvider,
}
