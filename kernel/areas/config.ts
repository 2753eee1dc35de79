import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { configRoutes } from '#sdk/contracts/config.ts'

export const configHandlers: Handlers<typeof configRoutes, Pick<Context, 'config'>> = {
  getConfig: (_, { config }) => config.redacted(),
  updateConfig: ({ body }, { config }) => config.put(body),
  getConfigCapabilities: (_, { config }) => config.capabilities(),
  getConfigStatus: async (_, { config }) => ({ status: await config.status() }),
}
