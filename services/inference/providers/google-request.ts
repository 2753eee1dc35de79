import { type ModelMessage, textOf } from '#sdk/messages.ts'
import type { InferenceRequest } from '#sdk/services/inference.ts'
import { argumentsObject, type ProviderCall, parseDataUrl } from './provider-call.ts'

type Part = Record<string, unknown>
interface Content {
  role: 'user' | 'model'
  parts: Part[]
}

/** Stands in for the signature of a call that another model, or an earlier version, has made. */
const foreignSignature = 'skip_thought_signature_validator'

/** A request in Google's form. */
export function googleBody({ model, request }: ProviderCall): Record<string, unknown> {
  const system = request.messages.filter(({ role }) => role === 'system').map(({ content }) => textOf(content))
  return {
    contents: contents(request.messages, model.includes('gemini-3')),
    ...(system.length > 0 ? { systemInstruction: { parts: [{ text: system.join('\n\n') }] } } : {}),
    generationConfig: {
      maxOutputTokens: request.max_tokens,
      temperature: request.temperature,
      topP: request.top_p,
      stopSequences: request.stop,
      seed: request.seed,
      ...responseFormat(request),
    },
    ...(request.tools.length > 0
      ? {
          tools: [
            {
              functionDeclarations: request.tools.map(({ name, description, parameters }) => ({
                name,
                description,
                parametersJsonSchema: parameters,
              })),
            },
          ],
          toolConfig: toolConfig(request),
        }
      : {}),
  }
}

function responseFormat({ response_format: format }: InferenceRequest) {
  if (format?.type === 'json_object') return { responseMimeType: 'application/json' }
  if (format?.type !== 'json_schema') return {}
  const { schema }: Record<string, unknown> = { ...(typeof format.json_schema === 'object' ? format.json_schema : {}) }
  return { responseMimeType: 'application/json', responseJsonSchema: schema }
}

function toolConfig({ tool_choice: choice }: InferenceRequest) {
  if (choice === undefined || choice === 'auto') return undefined
  if (choice === 'none') return { functionCallingConfig: { mode: 'NONE' } }
  const allowed = typeof choice === 'object' ? { allowedFunctionNames: [choice.name] } : {}
  return { functionCallingConfig: { mode: 'ANY', ...allowed } }
}

function contents(messages: ModelMessage[], signsCalls: boolean): Content[] {
  const merged: Content[] = []
  const toolNames = new Map<string, string>()
  for (const message of messages) {
    if (message.role === 'system') continue
    for (const call of message.tool_calls ?? []) toolNames.set(call.id, call.name)
    const role = message.role === 'assistant' ? 'model' : 'user'
    const parts = message.role === 'tool' ? [toolAnswer(message, toolNames)] : said(message, signsCalls)
    if (parts.length === 0) continue
    const last = merged.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else merged.push({ role, parts })
  }
  return merged
}

function toolAnswer({ content, tool_call_id: answers = '' }: ModelMessage, toolNames: Map<string, string>): Part {
  return { functionResponse: { name: toolNames.get(answers) ?? answers, response: { output: textOf(content) } } }
}

function said({ content, tool_calls: calls }: ModelMessage, signsCalls: boolean): Part[] {
  const parts: Part[] = []
  for (const part of typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content) {
    if (part.type === 'image') parts.push(image(part.url))
    else if (part.text !== '') parts.push({ text: part.text })
  }
  for (const [index, call] of (calls ?? []).entries()) {
    parts.push({
      functionCall: { name: call.name, args: argumentsObject(call.arguments) },
      ...(signsCalls && index === 0 ? { thoughtSignature: foreignSignature } : {}),
    })
  }
  return parts
}

function image(url: string): Part {
  const inline = parseDataUrl(url)
  return inline ? { inlineData: { mimeType: inline.mediaType, data: inline.data } } : { fileData: { fileUri: url } }
}
