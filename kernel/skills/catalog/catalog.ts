import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { type CatalogEntry, parseCatalog, type SkillCatalog } from '#sdk/skill-catalog.ts'
import { type RegistrySource, registrySource } from './registry-source.ts'

/** For so long a manifest is not asked for again, in milliseconds. */
const freshMs = 600_000

export interface RegistrySettings {
  registry_url: string
  registries: readonly { name: string; url: string; priority: number; enabled: boolean }[]
  registry_keys: readonly string[]
}

/** What a catalog offers, and where it is from. */
export interface OfferedSkill extends CatalogEntry {
  registry: string
  source: RegistrySource
}

interface Kept {
  catalog: SkillCatalog
  version: string | undefined
  until: number
}

/** The catalogs that the configuration names, as one. */
export class Catalogs {
  readonly #settings: () => RegistrySettings
  readonly #now: () => number
  readonly #kept = new Map<string, Kept>()

  constructor(settings: () => RegistrySettings, now = Date.now) {
    this.#settings = settings
    this.#now = now
  }

  /** Everything on offer, the highest priority first where names are shared; with what could not be read, in words. */
  async offers(): Promise<{ version: string; skills: OfferedSkill[]; error: string | undefined }> {
    const errors: string[] = []
    const skills = new Map<string, OfferedSkill>()
    let version = ''
    for (const { name: registry, url } of this.#registries()) {
      try {
        const source = registrySource(url)
        const catalog = await this.#read(url, source, errors)
        version ||= catalog.version
        for (const entry of catalog.entries)
          if (!skills.has(entry.name)) skills.set(entry.name, { ...entry, registry, source })
      } catch (thrown) {
        errors.push(`${registry}: ${reasonOf(thrown)}`)
      }
    }
    return { version, skills: [...skills.values()], error: errors.length > 0 ? errors.join('; ') : undefined }
  }

  /** What was read before stands where the registry does not answer now. */
  async #read(url: string, source: RegistrySource, errors: string[]): Promise<SkillCatalog> {
    const { registry_keys: keys } = this.#settings()
    // What other keys have vouched for, or none, is not what these do.
    const place = JSON.stringify([url, ...keys])
    const kept = this.#kept.get(place)
    if (kept && kept.until > this.#now()) return kept.catalog
    const until = this.#now() + freshMs
    try {
      const read = await source.manifest(kept?.version)
      if (!read && kept) {
        kept.until = until
        return kept.catalog
      }
      if (!read) throw new RuntimeError('upstream_failed', 'the manifest did not come')
      const catalog = parseCatalog(read.text, keys)
      this.#kept.set(place, { catalog, version: read.version, until: /^https?:/i.test(url) ? until : 0 })
      return catalog
    } catch (thrown) {
      if (!kept) throw thrown
      errors.push(reasonOf(thrown))
      return kept.catalog
    }
  }

  #registries(): { name: string; url: string }[] {
    const { registry_url, registries } = this.#settings()
    const more = registries.filter(({ enabled }) => enabled).sort((left, right) => right.priority - left.priority)
    return registry_url === '' ? [...more] : [{ name: 'default', url: registry_url }, ...more]
  }
}
