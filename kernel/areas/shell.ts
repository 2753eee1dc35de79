import type { RealHandlers } from '#kernel/areas/pending.ts'
import type { Context } from '#kernel/context.ts'
import { welcomePage } from '#kernel/http/welcome-page.ts'
import { api } from '#sdk/api.ts'
import type { shellRoutes } from '#sdk/contracts/shell.ts'
import { openApiDocument } from '#sdk/openapi.ts'

let document: Record<string, unknown> | undefined

export const shellHandlers: RealHandlers<'shell', typeof shellRoutes, Pick<Context, 'version' | 'config'>> = {
  getDashboard: ({ reply }, { version, config }) =>
    reply.text(welcomePage({ version, agent: config.current().agent.name }), 'text/html; charset=utf-8'),

  getFavicon: ({ reply }) => reply.empty(),

  getOpenApi(_, { version }) {
    document ??= openApiDocument(api, { version })
    return document
  },
}
