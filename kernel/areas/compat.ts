import type { RealHandlers } from '#kernel/areas/pending.ts'
import { AnthropicStream, anthropicAnswer } from '#kernel/compat/anthropic-answer.ts'
import { anthropicQuestion, anthropicUser } from '#kernel/compat/anthropic-question.ts'
import { ask } from '#kernel/compat/ask.ts'
import { ChatStream, chatCompletion, unixSeconds } from '#kernel/compat/chat-answer.ts'
import { chatQuestion } from '#kernel/compat/chat-question.ts'
import { embed } from '#kernel/compat/embeddings.ts'
import { type ListedModel, listModels } from '#kernel/compat/model-list.ts'
import { pageOf } from '#kernel/compat/model-page.ts'
import { unknownModel } from '#kernel/compat/model-target.ts'
import { ResponseStream, responseAnswer } from '#kernel/compat/response-answer.ts'
import { responseQuestion } from '#kernel/compat/response-question.ts'
import type { Context } from '#kernel/context.ts'
import type { compatRoutes } from '#sdk/contracts/compat.ts'
import { timestamp } from '#sdk/ids.ts'

export const compatHandlers: RealHandlers<
  'compat',
  typeof compatRoutes,
  Pick<Context, 'inference' | 'config' | 'store' | 'bus' | 'inFlight' | 'turns' | 'log' | 'startedAt'>
> = {
  async createChatCompletion({ body, caller, headers, signal, reply }, context) {
    const include_usage = body.stream_options?.include_usage ?? false
    const stream = body.stream ? new ChatStream(reply, signal, { include_usage }) : undefined
    const call = { door: 'openai', user: body.user, caller, headers, signal, reply, stream } as const
    const answer = await ask(chatQuestion(body), call, context)
    return stream ? stream.end(answer) : chatCompletion(answer)
  },

  async createResponse({ body, caller, headers, signal, reply }, context) {
    const stream = body.stream ? new ResponseStream(reply, signal, body) : undefined
    const call = { door: 'openai', user: body.user, caller, headers, signal, reply, stream } as const
    const answer = await ask(responseQuestion(body), call, context)
    return stream ? stream.end(answer) : responseAnswer(body, answer)
  },

  createEmbeddings: ({ body, caller, signal }, context) => embed(body, { caller, signal }, context),

  async listOpenaiModels({ signal }, context) {
    const models = await listModels(context, signal)
    return { object: 'list', data: models.map((model) => openaiModel(model, context)) }
  },

  async getOpenaiModel({ params, signal }, context) {
    const listed = (await listModels(context, signal)).find(({ id }) => id === params.id)
    if (!listed) throw unknownModel(`The model '${params.id}' does not exist or is not configured`)
    return openaiModel(listed, context)
  },

  async createAnthropicMessage({ body, caller, headers, signal, reply }, context) {
    const stream = body.stream ? new AnthropicStream(reply, signal) : undefined
    const user = anthropicUser(body)
    const call = { door: 'anthropic', user, caller, headers, signal, reply, stream } as const
    const answer = await ask(anthropicQuestion(body), call, context)
    return stream ? stream.end(answer) : anthropicAnswer(answer)
  },

  async listAnthropicModels({ query, signal }, context) {
    const all = await listModels(context, signal)
    const { providers } = context.config.current()
    const served = all.filter(({ provider }) => providers[provider]?.format === 'anthropic')
    const { data, ...page } = pageOf(served.length > 0 ? served : all, query)
    const created_at = timestamp(context.startedAt)
    return { data: data.map(({ id }) => ({ type: 'model', id, display_name: id, created_at })), ...page }
  },
}

function openaiModel({ id, provider }: ListedModel, { startedAt }: Pick<Context, 'startedAt'>) {
  return { id, object: 'model' as const, created: unixSeconds(startedAt), owned_by: provider }
}
