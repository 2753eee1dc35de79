import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { sealedKeyName } from '#kernel/secrets/provider-keys.ts'
import type { providersRoutes } from '#sdk/contracts/providers.ts'
import { RuntimeError } from '#sdk/errors.ts'

export const providersHandlers: Handlers<
  typeof providersRoutes,
  Pick<Context, 'config' | 'secrets' | 'bus' | 'inference'>
> = {
  async setProviderKey({ params, query, body, signal }, { config, secrets, bus, inference }) {
    requireProvider(params.name, config)
    const keystore_entry = sealedKeyName(params.name)
    secrets.put(keystore_entry, body.api_key)
    await config.reload()
    await inference.keyChanged({ provider: params.name })
    bus.publish('config_updated', {
      sections: ['providers'],
      deferred: [],
      changed: [`providers.${params.name}.api_key`],
    })
    const stored = { stored: true as const, provider: params.name, keystore_entry }
    if (!query.validate) return stored
    const { providers } = await inference.listModels({ provider: params.name, refresh: true }, { signal })
    const listing = providers[params.name]
    return {
      ...stored,
      validated: listing?.status === 'ok',
      ...(listing?.error === undefined ? {} : { error: listing.error }),
    }
  },

  async deleteProviderKey({ params }, { config, secrets, bus, inference }) {
    requireProvider(params.name, config)
    const keystore_entry = sealedKeyName(params.name)
    const removed = secrets.delete(keystore_entry)
    if (removed) {
      await config.reload()
      await inference.keyChanged({ provider: params.name })
      bus.publish('config_updated', {
        sections: ['providers'],
        deferred: [],
        changed: [`providers.${params.name}.api_key`],
      })
    }
    return { removed, provider: params.name, keystore_entry }
  },
}

function requireProvider(name: string, config: Context['config']): void {
  if (!config.knowsProvider(name)) throw new RuntimeError('not_found', `provider '${name}' is not configured`)
}
