import { z } from 'zod'
import { parsePart } from '#kernel/http/issues.ts'
import type { responsesRequest } from '#sdk/contracts/openai-responses.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { toolOf } from './chat-question.ts'
import type { Question } from './question.ts'
import { itemMessages, responseInput } from './response-items.ts'

export type ResponsesRequest = z.output<typeof responsesRequest>

const namedFunction = z.object({
  type: z.literal('function', "must be 'none', 'auto', 'required' or {type: 'function', name}"),
  name: z.string(),
})

const textFormat = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      name: z.string(),
      schema: z.record(z.string(), z.unknown()),
      description: z.string().optional(),
      strict: z.boolean().nullish(),
    }),
  ],
  'must be one of text, json_object, json_schema',
)

const looseParts = z.object({
  input: responseInput,
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), namedFunction]).nullish(),
  text: z.object({ format: textFormat.nullish() }).nullish(),
})

/** A request of the Responses API in neutral words. Nothing is kept here, so each one brings its whole conversation. */
export function responseQuestion(request: ResponsesRequest): Question {
  if (request.previous_response_id) {
    const message = 'previous_response_id: responses are not kept here; send the whole conversation as input'
    throw new RuntimeError('invalid', message, { param: 'previous_response_id' })
  }
  const { input, tool_choice: choice, text } = parsePart(looseParts, request, 'body')
  const { instructions, tools } = request
  return {
    model: request.model,
    messages: [...(instructions ? [{ role: 'system' as const, content: instructions }] : []), ...itemMessages(input)],
    tools: tools?.map(toolOf),
    tool_choice: typeof choice === 'object' && choice !== null ? { name: choice.name } : (choice ?? undefined),
    parallel_tool_calls: request.parallel_tool_calls ?? undefined,
    max_tokens: request.max_output_tokens ?? undefined,
    temperature: request.temperature ?? undefined,
    top_p: request.top_p ?? undefined,
    response_format: responseFormat(text?.format),
  }
}

function responseFormat(format: z.output<typeof textFormat> | null | undefined): Question['response_format'] {
  if (!format || format.type === 'text') return undefined
  if (format.type === 'json_object') return format
  const { type, ...json_schema } = format
  return { type, json_schema }
}
