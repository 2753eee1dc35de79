import { type ModelMessage, textOf } from '#sdk/messages.ts'
import { argumentsObject, type ProviderCall, parseDataUrl } from './provider-call.ts'

/** The protocol wants a limit; every model in service allows this many. */
const defaultMaxTokens = 4096

type Block = Record<string, unknown>
interface Turn {
  role: 'user' | 'assistant'
  content: Block[]
}

/** A request in Anthropic's form: one system text, turns that alternate and begin with the user. */
export function anthropicBody({ model, request }: ProviderCall): Record<string, unknown> {
  const system = request.messages.filter(({ role }) => role === 'system').map(({ content }) => textOf(content))
  const { tools, temperature } = request
  return {
    model,
    max_tokens: request.max_tokens ?? defaultMaxTokens,
    messages: turns(request.messages),
    ...(system.length > 0 ? { system: system.join('\n\n') } : {}),
    // Newer models refuse the two together, and none takes a temperature over 1.
    ...(temperature === undefined ? { top_p: request.top_p } : { temperature: Math.min(temperature, 1) }),
    stop_sequences: request.stop,
    ...(tools.length > 0
      ? {
          tools: tools.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters })),
          tool_choice: toolChoice(request),
        }
      : {}),
    ...(request.stream ? { stream: true } : {}),
  }
}

function toolChoice({ tool_choice: choice, parallel_tool_calls: parallel }: ProviderCall['request']) {
  if (choice === undefined && parallel === undefined) return undefined
  if (choice === 'none') return { type: 'none' }
  const one = parallel === false ? { disable_parallel_tool_use: true } : {}
  if (typeof choice === 'object') return { type: 'tool', name: choice.name, ...one }
  return { type: choice === 'required' ? 'any' : 'auto', ...one }
}

function turns(messages: ModelMessage[]): Turn[] {
  const merged: Turn[] = []
  for (const message of messages) {
    if (message.role === 'system') continue
    const role = message.role === 'assistant' ? 'assistant' : 'user'
    const content = blocks(message)
    if (content.length === 0) continue
    const last = merged.at(-1)
    if (last?.role === role) last.content.push(...content)
    else merged.push({ role, content })
  }
  if (merged[0]?.role !== 'user') merged.unshift({ role: 'user', content: [{ type: 'text', text: '(continued)' }] })
  return merged
}

function blocks({ role, content, tool_calls: calls, tool_call_id: answers }: ModelMessage): Block[] {
  const said: Block[] = []
  for (const part of typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content) {
    if (part.type === 'image') said.push({ type: 'image', source: imageSource(part.url) })
    // The protocol refuses texts that are empty or blank.
    else if (part.text.trim() !== '') said.push({ type: 'text', text: part.text })
  }
  if (role === 'tool') return [{ type: 'tool_result', tool_use_id: answers, content: said }]
  for (const call of calls ?? []) {
    said.push({ type: 'tool_use', id: call.id, name: call.name, input: argumentsObject(call.arguments) })
  }
  return said
}

function imageSource(url: string): Block {
  const inline = parseDataUrl(url)
  return inline ? { type: 'base64', media_type: inline.mediaType, data: inline.data } : { type: 'url', url }
}
