import { z } from 'zod'
import { parsePart } from '#kernel/http/issues.ts'
import type { AnthropicRequest } from '#sdk/contracts/anthropic.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { conversation, neutralMessages, systemContent } from './anthropic-blocks.ts'
import { toolOf } from './chat-question.ts'
import { plainText } from './plain-text.ts'
import type { Question } from './question.ts'

const blocks = z.object({ system: systemContent.nullish(), messages: conversation })

/** A request for a message, as Anthropic's clients send it, in neutral words. */
export function anthropicQuestion(request: AnthropicRequest): Question {
  const { system, messages } = parsePart(blocks, { system: request.system, messages: request.messages }, 'body')
  const { tool_choice: choice } = request
  return {
    model: request.model,
    messages: [
      ...(system ? [{ role: 'system' as const, content: plainText(system) }] : []),
      ...messages.flatMap(neutralMessages),
    ],
    tools: request.tools?.map((tool) => toolOf({ ...tool, parameters: tool.input_schema })),
    tool_choice: choice ? toolChoiceOf(choice) : undefined,
    parallel_tool_calls: choice?.disable_parallel_tool_use === true ? false : undefined,
    max_tokens: request.max_tokens,
    temperature: request.temperature ?? undefined,
    top_p: request.top_p ?? undefined,
    stop: request.stop_sequences?.length ? request.stop_sequences : undefined,
  }
}

/** The client's word for its own user. */
export function anthropicUser({ metadata }: AnthropicRequest): string | undefined {
  return typeof metadata?.user_id === 'string' ? metadata.user_id : undefined
}

function toolChoiceOf({ type, name }: NonNullable<AnthropicRequest['tool_choice']>): Question['tool_choice'] {
  switch (type) {
    case 'auto':
    case 'none':
      return type
    case 'any':
      return 'required'
    case 'tool':
      if (name === undefined) throw new RuntimeError('invalid', 'tool_choice.name: is required')
      return { name }
  }
}
