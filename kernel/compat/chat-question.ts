import type { ChatMessage, ChatRequest } from '#sdk/contracts/openai-chat.ts'
import type { MessagePart, ModelMessage, ToolDefinition } from '#sdk/messages.ts'
import type { Question } from './question.ts'

/** A function that declares no parameters takes none. */
const noParameters = { type: 'object', properties: {} }

/** A chat request of OpenAI's clients in neutral words. */
export function chatQuestion(request: ChatRequest): Question {
  const { tool_choice: choice, response_format: format, stop } = request
  return {
    model: request.model,
    messages: request.messages.map(chatMessage),
    tools: request.tools?.map(({ function: declared }) => toolOf(declared)),
    tool_choice: (typeof choice === 'object' ? choice?.function : choice) ?? undefined,
    parallel_tool_calls: request.parallel_tool_calls ?? undefined,
    max_tokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    temperature: request.temperature ?? undefined,
    top_p: request.top_p ?? undefined,
    stop: typeof stop === 'string' ? [stop] : (stop ?? undefined),
    seed: request.seed ?? undefined,
    response_format: format && format.type !== 'text' ? format : undefined,
  }
}

interface DeclaredFunction {
  name: string
  description?: string | null | undefined
  parameters?: Record<string, unknown> | null | undefined
}

export function toolOf({ name, description, parameters }: DeclaredFunction): ToolDefinition {
  return { name, description: description ?? '', parameters: parameters ?? noParameters }
}

function chatMessage(message: ChatMessage): ModelMessage {
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'system', content: contentOf(message.content), name: message.name ?? undefined }
    case 'user':
      return { role: 'user', content: contentOf(message.content), name: message.name ?? undefined }
    case 'assistant':
      return {
        role: 'assistant',
        content: contentOf(message.content ?? message.refusal ?? ''),
        name: message.name ?? undefined,
        tool_calls: message.tool_calls?.map(({ id, function: called }) => ({ id, ...called })),
      }
    case 'tool':
      return { role: 'tool', content: contentOf(message.content), tool_call_id: message.tool_call_id }
  }
}

type ChatPart = Exclude<NonNullable<ChatMessage['content']>, string>[number]

function contentOf(content: string | ChatPart[]): ModelMessage['content'] {
  return typeof content === 'string' ? content : content.map(partOf)
}

function partOf(part: ChatPart): MessagePart {
  switch (part.type) {
    case 'text':
      return part
    case 'refusal':
      return { type: 'text', text: part.refusal }
    case 'image_url':
      return { type: 'image', url: part.image_url.url, detail: part.image_url.detail ?? undefined }
  }
}
