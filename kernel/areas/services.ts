import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { servicesRoutes } from '#sdk/contracts/services.ts'
import { RuntimeError } from '#sdk/errors.ts'

export const servicesHandlers: Handlers<typeof servicesRoutes, Pick<Context, 'supervisor'>> = {
  listServices(_, { supervisor }) {
    const services = supervisor.status()
    return { services, count: services.length }
  },

  async restartService({ params }, { supervisor }) {
    await supervisor.restart(params.name)
    const service = supervisor.status().find(({ name }) => name === params.name)
    if (!service) throw new RuntimeError('not_found', `service '${params.name}' not found`)
    return { name: params.name, restarted: true, service }
  },
}
