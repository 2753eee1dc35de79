import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { welcomePage } from '#kernel/http/welcome-page.ts'
import { api } from '#sdk/api.ts'
import type { shellRoutes } from '#sdk/contracts/shell.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { openApiDocument } from '#sdk/openapi.ts'

let document: Record<string, unknown> | undefined

export const shellHandlers: Handlers<typeof shellRoutes, Pick<Context, 'version' | 'config' | 'metrics'>> = {
  getDashboard: ({ reply }, { version, config }) =>
    reply.text(welcomePage({ version, agent: config.current().agent.name }), 'text/html; charset=utf-8'),

  getFavicon: ({ reply }) => reply.empty(),

  getOpenApi(_, { version }) {
    document ??= openApiDocument(api, { version })
    return document
  },

  async getMetrics({ reply }, { metrics }) {
    const current = metrics()
    if (!current) throw new RuntimeError('not_found', 'metrics are off: telemetry.metrics is false')
    return reply.text(await current.text(), current.contentType)
  },
}
