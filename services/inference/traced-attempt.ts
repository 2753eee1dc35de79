import { type ModelMessage, textOf } from '#sdk/messages.ts'
import type { ProviderSettings } from '#sdk/services/inference.ts'
import { inSpan } from '#sdk/telemetry/tracing.ts'
import { type AttemptInput, type AttemptResult, attemptModel } from './attempt.ts'
import { UpstreamFailure } from './failure.ts'
import { splitModel } from './model-names.ts'
import type { Router } from './router.ts'

/** How the conventions for generative models name who speaks a format. */
const providerNames: Record<ProviderSettings['format'], string> = {
  openai: 'openai',
  anthropic: 'anthropic',
  google: 'gcp.gemini',
  ollama: 'ollama',
  offline: 'keel',
}

/** One call to one provider as a span, by the conventions for generative models. */
export function tracedAttempt(router: Router, input: AttemptInput, retry: number): Promise<AttemptResult> {
  const { request, provider, model, isFallback, isRisk } = input
  const { bare } = splitModel(model)
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': providerNames[provider.format],
    'gen_ai.request.model': bare,
    'gen_ai.request.max_tokens': request.max_tokens,
    'gen_ai.request.temperature': request.temperature,
    'gen_ai.request.stream': request.stream,
    'gen_ai.conversation.id': request.account.session_id ?? undefined,
    'keel.turn.id': request.turn_id ?? undefined,
    'keel.purpose': request.purpose,
    'keel.provider': provider.name,
    'keel.attempt.retry': retry,
    'keel.attempt.fallback': isFallback,
    'keel.attempt.risked': isRisk,
    ...placeOf(provider.url),
  }
  return inSpan(`chat ${bare}`, { kind: 'client', attributes }, async (span) => {
    span
      ?.setContent('gen_ai.input.messages', () => JSON.stringify(request.messages.map(shown)))
      .setContent('gen_ai.tool.definitions', () => JSON.stringify(request.tools))
    try {
      const result = await attemptModel(router, input)
      const { usage, finish_reason, text, tool_calls } = result.answer
      span
        ?.set({
          'gen_ai.response.model': bare,
          'gen_ai.response.finish_reasons': [finish_reason],
          'gen_ai.usage.input_tokens': usage.tokens_in,
          'gen_ai.usage.output_tokens': usage.tokens_out,
          'keel.usage.estimated': usage.estimated,
          'keel.cost': result.cost,
        })
        .setContent('gen_ai.output.messages', () =>
          JSON.stringify([{ ...shown({ role: 'assistant', content: text, tool_calls }), finish_reason }]),
        )
      return result
    } catch (thrown) {
      if (thrown instanceof UpstreamFailure) span?.failAs(thrown.category)
      throw thrown
    }
  })
}

function placeOf(url: string) {
  if (!URL.canParse(url)) return {}
  const { hostname, port, protocol } = new URL(url)
  const usual = protocol === 'https:' ? 443 : 80
  return { 'server.address': hostname, 'server.port': port === '' ? usual : Number(port) }
}

/** A message as the conventions have it; pictures are left out. */
function shown({ role, content, tool_calls = [], tool_call_id }: ModelMessage) {
  const text = textOf(content)
  const said =
    tool_call_id === undefined
      ? text === ''
        ? []
        : [{ type: 'text', content: text }]
      : [{ type: 'tool_call_response', id: tool_call_id, response: text }]
  const calls = tool_calls.map(({ id, name, arguments: given }) => ({ type: 'tool_call', id, name, arguments: given }))
  return { role, parts: [...said, ...calls] }
}
