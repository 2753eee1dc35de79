import type { SealedStore } from '#kernel/secrets/sealed-store.ts'

/** The secrets of plugins, sealed: each plugin's under names of its own. */
export class PluginSecrets {
  readonly #sealed: SealedStore

  constructor(sealed: SealedStore) {
    this.#sealed = sealed
  }

  get(plugin: string, secret: string): string | undefined {
    return this.#sealed.get(nameOf(plugin, secret))
  }

  has(plugin: string, secret: string): boolean {
    return this.#sealed.names().includes(nameOf(plugin, secret))
  }

  /** null forgets it. */
  set(plugin: string, secret: string, value: string | null): void {
    if (value === null) this.#sealed.delete(nameOf(plugin, secret))
    else this.#sealed.put(nameOf(plugin, secret), value)
  }

  forgetAll(plugin: string): void {
    for (const name of this.#sealed.names()) if (name.startsWith(nameOf(plugin, ''))) this.#sealed.delete(name)
  }
}

function nameOf(plugin: string, secret: string): string {
  return `plugin/${plugin}/${secret}`
}
