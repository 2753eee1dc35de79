import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { type InferenceRequest, type InferenceSettings, inferenceRequest } from '#sdk/services/inference.ts'
import { callModels } from './call-models.ts'
import { configuredModels } from './model-names.ts'
import type { Router } from './router.ts'

const probeTokens = 16

/** One tiny call to each configured model; what went wrong with those that did not answer, in words. */
export async function probeModels(
  router: Router,
  settings: InferenceSettings,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const failed = new Map<string, string>()
  await Promise.all(
    configuredModels(settings).map(async (model) => {
      try {
        await callModels(router, { request: probe(model), pinned: model, settings, signal, emit: async () => {} })
      } catch (thrown) {
        signal.throwIfAborted()
        failed.set(model, thrown instanceof RuntimeError ? thrown.message : 'provider error')
      }
    }),
  )
  return failed
}

function probe(model: string): InferenceRequest {
  return inferenceRequest.parse({
    request_id: newId(),
    model,
    messages: [{ role: 'user', content: 'Say OK.' }],
    max_tokens: probeTokens,
    fallback: false,
    purpose: 'analysis',
  })
}
