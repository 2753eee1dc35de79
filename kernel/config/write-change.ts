import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import type { Home } from '../home.ts'
import { sealedKeyName } from '../secrets/provider-keys.ts'
import type { SealedStore } from '../secrets/sealed-store.ts'
import { backUp, replaceFile, restore } from './overrides-file.ts'

/** Providers' keys by the provider's name; null is none. */
export type ProviderKeyChanges = ReadonlyMap<string, string | null>

/** Which of the given keys differ from the sealed ones. Throws `unavailable` when there is no store for them yet. */
export function changedKeys(given: ProviderKeyChanges, secrets: SealedStore | undefined): ProviderKeyChanges {
  const changed = new Map<string, string | null>()
  for (const [name, key] of given) {
    if (!secrets) {
      throw new RuntimeError('unavailable', `providers.${name}.api_key: keys can be stored only while Keel runs`)
    }
    const old = readKey(name, secrets)
    if (old === unreadable || old !== key) changed.set(name, key)
  }
  return changed
}

/** A change that stands on disk. */
export interface WrittenChange {
  /** The copy of the file before; undefined when it was not written. */
  backup: string | undefined
  /** Puts everything back as it was. */
  undo(): Promise<void>
}

/** Writes overrides.toml, if there is a text for it, and the keys; all of it or nothing. */
export async function writeChange(
  home: Home,
  text: string | undefined,
  keys: ProviderKeyChanges,
  secrets: SealedStore | undefined,
): Promise<WrittenChange> {
  const oldKeys = new Map<string, string | null>()
  for (const name of keys.keys()) {
    const old = readKey(name, secrets)
    if (old !== unreadable) oldKeys.set(name, old)
  }
  const backup = text === undefined ? undefined : await backUp(home.overrides, new Date())
  const undo = async () => {
    storeKeys(oldKeys, secrets)
    if (text !== undefined) await restore(home.overrides, backup)
  }
  try {
    storeKeys(keys, secrets)
    if (text !== undefined) await replaceFile(home.overrides, text)
  } catch (cause) {
    await undo()
    throw new RuntimeError('internal', 'The configuration could not be written; nothing was changed', undefined, {
      cause,
    })
  }
  return { backup, undo }
}

/** A key that was sealed with another secret.key is replaced like any other, but can not be put back. */
const unreadable = Symbol('unreadable')

function readKey(name: string, secrets: SealedStore | undefined): string | null | typeof unreadable {
  try {
    return secrets?.get(sealedKeyName(name)) ?? null
  } catch (thrown) {
    if (isErrorOf(thrown, 'internal')) return unreadable
    throw thrown
  }
}

function storeKeys(keys: ProviderKeyChanges, secrets: SealedStore | undefined): void {
  for (const [name, key] of keys) {
    if (key === null) secrets?.delete(sealedKeyName(name))
    else secrets?.put(sealedKeyName(name), key)
  }
}
