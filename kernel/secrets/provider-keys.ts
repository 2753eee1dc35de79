import { isErrorOf, type RuntimeError } from '#sdk/errors.ts'
import type { ProviderConfig } from '../config/schema.ts'
import type { SealedStore } from './sealed-store.ts'

/** A provider's key, where it came from and whether that is enough to call it. */
export interface ProviderKey {
  key: string | null
  source: 'local' | 'keystore' | 'env' | 'file' | 'none'
  status: 'not_required' | 'configured' | 'missing'
}

export interface ProviderKeys {
  resolve(name: string, provider: ProviderConfig): ProviderKey
}

/** The name under which a provider's key is sealed. */
export function sealedKeyName(provider: string): string {
  return `${provider}_api_key`
}

const keystorePrefix = 'keystore:'

/** The name of the sealed entry that a setting such as `keystore:bot_token` refers to; the prefix may be left away. */
export function keystoreEntry(ref: string): string {
  return ref.startsWith(keystorePrefix) ? ref.slice(keystorePrefix.length) : ref
}

/**
 * Looks anew at every call, so that a key stored or removed counts for the next request. A sealed key that can not be
 * opened counts as missing and is told to `onUnreadable`: one broken entry must not take the other providers away.
 */
export function openProviderKeys(
  secrets: Pick<SealedStore, 'get'>,
  env: NodeJS.ProcessEnv = process.env,
  onUnreadable: (error: RuntimeError) => void = () => {},
): ProviderKeys {
  return {
    resolve(name, provider) {
      let found: Pick<ProviderKey, 'key' | 'source'> | undefined
      try {
        found = findKey(name, provider, secrets, env)
      } catch (thrown) {
        if (!isErrorOf(thrown, 'internal')) throw thrown
        onUnreadable(thrown)
        return { key: null, source: 'keystore', status: 'missing' }
      }
      if (found) return { ...found, status: 'configured' }
      if (provider.is_local) return { key: null, source: 'local', status: 'not_required' }
      return { key: null, source: 'none', status: 'missing' }
    },
  }
}

/** A local provider needs no key but is sent the one it was given, as some local servers want one. */
function findKey(
  name: string,
  provider: ProviderConfig,
  secrets: Pick<SealedStore, 'get'>,
  env: NodeJS.ProcessEnv,
): Pick<ProviderKey, 'key' | 'source'> | undefined {
  if (provider.api_key_ref !== null) {
    const key = secrets.get(keystoreEntry(provider.api_key_ref))
    if (key) return { key, source: 'keystore' }
  }
  const sealed = secrets.get(sealedKeyName(name))
  if (sealed) return { key: sealed, source: 'keystore' }
  const fromEnv = provider.api_key_env ? env[provider.api_key_env]?.trim() : undefined
  if (fromEnv) return { key: fromEnv, source: 'env' }
  if (provider.api_key) return { key: provider.api_key, source: 'file' }
  return undefined
}
