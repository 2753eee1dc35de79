import { type ResolvedReply, testEmbedding, type UpstreamReply } from './upstream-reply.ts'

/** How one provider's protocol says the same things. */
export interface UpstreamProtocol {
  whole(reply: ResolvedReply, model: string): unknown
  /** Server-sent events: what comes before the text, one per piece of text, and what ends it. */
  opening(reply: ResolvedReply, model: string): string[]
  piece(text: string, model: string, reply: ResolvedReply): string
  closing(reply: ResolvedReply, model: string, withUsage: boolean): string[]
  error(status: number, error: NonNullable<UpstreamReply['error']>): unknown
  errorEvent(error: NonNullable<UpstreamReply['error']>): string
}

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const named = (event: string, value: object) => `event: ${event}\n${data({ type: event, ...value })}`
const halves = (text: string) => [text.slice(0, Math.ceil(text.length / 2)), text.slice(Math.ceil(text.length / 2))]

const openaiChunk = (model: string, delta: object, finish: string | null = null) =>
  data({
    id: 'chatcmpl-test',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model,
    choices: [{ index: 0, delta, finish_reason: finish }],
  })

const openaiUsage = (usage: { input: number; output: number }) => ({
  prompt_tokens: usage.input,
  completion_tokens: usage.output,
  total_tokens: usage.input + usage.output,
})

export const openaiProtocol: UpstreamProtocol = {
  whole: (reply, model) => ({
    id: 'chatcmpl-test',
    object: 'chat.completion',
    created: 1_700_000_000,
    model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: reply.text || null,
          ...(reply.reasoning ? { reasoning_content: reply.reasoning } : {}),
          ...(reply.toolCalls.length > 0
            ? {
                tool_calls: reply.toolCalls.map(({ id, name, arguments: args }) => ({
                  id,
                  type: 'function',
                  function: { name, arguments: args },
                })),
              }
            : {}),
        },
        finish_reason: reply.finishReason,
      },
    ],
    ...(reply.usage ? { usage: openaiUsage(reply.usage) } : {}),
  }),
  opening: (reply, model) => [
    openaiChunk(model, { role: 'assistant', content: '' }),
    ...(reply.reasoning ? [openaiChunk(model, { reasoning_content: reply.reasoning })] : []),
  ],
  piece: (text, model) => openaiChunk(model, { content: text }),
  closing: (reply, model, withUsage) => [
    ...reply.toolCalls.flatMap((call, index) => [
      openaiChunk(model, {
        tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }],
      }),
      ...halves(call.arguments).map((part) =>
        openaiChunk(model, { tool_calls: [{ index, function: { arguments: part } }] }),
      ),
    ]),
    openaiChunk(model, {}, reply.finishReason),
    ...(withUsage && reply.usage
      ? [
          data({
            id: 'chatcmpl-test',
            object: 'chat.completion.chunk',
            model,
            choices: [],
            usage: openaiUsage(reply.usage),
          }),
        ]
      : []),
    'data: [DONE]\n\n',
  ],
  error: (_, error) => ({
    error: {
      message: error.message ?? 'The upstream refuses',
      type: error.type ?? 'server_error',
      param: null,
      code: error.code ?? null,
    },
  }),
  errorEvent: (error) =>
    data({
      error: {
        message: error.message ?? 'The upstream gave up',
        type: error.type ?? 'server_error',
        code: error.code ?? null,
      },
    }),
}

const anthropicStop = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'refusal' }

function parsed(text: string): unknown {
  return text.trim() === '' ? {} : JSON.parse(text)
}

export const anthropicProtocol: UpstreamProtocol = {
  whole: (reply, model) => ({
    id: 'msg_test',
    type: 'message',
    role: 'assistant',
    model,
    content: [
      ...(reply.reasoning ? [{ type: 'thinking', thinking: reply.reasoning, signature: 'test' }] : []),
      ...(reply.text ? [{ type: 'text', text: reply.text }] : []),
      ...reply.toolCalls.map((call) => ({
        type: 'tool_use',
        id: call.id,
        name: call.name,
        input: parsed(call.arguments),
      })),
    ],
    stop_reason: anthropicStop[reply.finishReason],
    stop_sequence: null,
    ...(reply.usage ? { usage: { input_tokens: reply.usage.input, output_tokens: reply.usage.output } } : {}),
  }),
  opening: (reply, model) => [
    named('message_start', {
      message: {
        id: 'msg_test',
        type: 'message',
        role: 'assistant',
        model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        ...(reply.usage ? { usage: { input_tokens: reply.usage.input, output_tokens: 1 } } : {}),
      },
    }),
    'event: ping\ndata: {"type": "ping"}\n\n',
    ...(reply.reasoning
      ? [
          named('content_block_start', { index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } }),
          named('content_block_delta', { index: 0, delta: { type: 'thinking_delta', thinking: reply.reasoning } }),
          named('content_block_stop', { index: 0 }),
        ]
      : []),
    named('content_block_start', { index: reply.reasoning ? 1 : 0, content_block: { type: 'text', text: '' } }),
  ],
  piece: (text, _, reply) =>
    named('content_block_delta', { index: reply.reasoning ? 1 : 0, delta: { type: 'text_delta', text } }),
  closing: (reply) => [
    named('content_block_stop', { index: reply.reasoning ? 1 : 0 }),
    ...reply.toolCalls.flatMap((call, position) => {
      const index = position + (reply.reasoning ? 2 : 1)
      return [
        named('content_block_start', {
          index,
          content_block: { type: 'tool_use', id: call.id, name: call.name, input: {} },
        }),
        ...halves(call.arguments).map((part) =>
          named('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: part } }),
        ),
        named('content_block_stop', { index }),
      ]
    }),
    named('message_delta', {
      delta: { stop_reason: anthropicStop[reply.finishReason], stop_sequence: null },
      ...(reply.usage ? { usage: { output_tokens: reply.usage.output } } : {}),
    }),
    named('message_stop', {}),
  ],
  error: (_, error) => ({
    type: 'error',
    error: { type: error.type ?? 'api_error', message: error.message ?? 'The upstream refuses' },
  }),
  errorEvent: (error) =>
    named('error', {
      error: { type: error.type ?? 'overloaded_error', message: error.message ?? 'The upstream gave up' },
    }),
}

const googleStop = { stop: 'STOP', length: 'MAX_TOKENS', tool_calls: 'STOP', content_filter: 'SAFETY' }

const googleAnswer = (parts: object[], model: string, finish?: string, usage?: ResolvedReply['usage']) => ({
  candidates: [{ index: 0, content: { role: 'model', parts }, ...(finish ? { finishReason: finish } : {}) }],
  modelVersion: model,
  ...(usage
    ? {
        usageMetadata: {
          promptTokenCount: usage.input,
          candidatesTokenCount: usage.output,
          totalTokenCount: usage.input + usage.output,
        },
      }
    : {}),
})

const googleCalls = (reply: ResolvedReply) =>
  reply.toolCalls.map((call) => ({ functionCall: { id: call.id, name: call.name, args: parsed(call.arguments) } }))

export const googleProtocol: UpstreamProtocol = {
  whole: (reply, model) =>
    googleAnswer(
      [
        ...(reply.reasoning ? [{ text: reply.reasoning, thought: true }] : []),
        ...(reply.text ? [{ text: reply.text }] : []),
        ...googleCalls(reply),
      ],
      model,
      googleStop[reply.finishReason],
      reply.usage,
    ),
  opening: (reply, model) =>
    reply.reasoning ? [data(googleAnswer([{ text: reply.reasoning, thought: true }], model))] : [],
  piece: (text, model) => data(googleAnswer([{ text }], model)),
  closing: (reply, model) => [
    data(googleAnswer(googleCalls(reply), model, googleStop[reply.finishReason], reply.usage)),
  ],
  error: (status, error) => ({
    error: { code: status, message: error.message ?? 'The upstream refuses', status: error.code ?? 'UNAVAILABLE' },
  }),
  errorEvent: (error) =>
    data({
      error: { code: 503, message: error.message ?? 'The upstream gave up', status: error.code ?? 'UNAVAILABLE' },
    }),
}

/** The answer to a request for embeddings, in the form of OpenAI, of Ollama or of Google, told from the path. */
export function embeddingsAnswer(path: string, body: Record<string, unknown>, fixed: number[][] | undefined): unknown {
  const asked = Array.isArray(body.requests) ? body.requests.map(googleText) : [body.input].flat().map(String)
  const vectors = asked.map((text, index) => fixed?.[index] ?? testEmbedding(text))
  if (path.endsWith(':batchEmbedContents')) return { embeddings: vectors.map((values) => ({ values })) }
  if (path.endsWith('/api/embed')) return { model: body.model, embeddings: vectors, prompt_eval_count: 5 }
  return {
    object: 'list',
    model: body.model,
    data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
    usage: { prompt_tokens: 5, total_tokens: 5 },
  }
}

function googleText(request: { content?: { parts?: { text?: string }[] } }): string {
  return request.content?.parts?.map(({ text }) => text ?? '').join(' ') ?? ''
}

/** The list of models in the form that the path asks for. */
export function modelsAnswer(path: string, models: string[]): unknown {
  if (path.endsWith('/api/tags')) return { models: models.map((name) => ({ name, model: name })) }
  if (path.includes('/v1beta/')) return { models: models.map((name) => ({ name: `models/${name}` })) }
  return {
    object: 'list',
    data: models.map((id) => ({ id, object: 'model', created: 1_700_000_000, owned_by: 'test' })),
  }
}
