import type { Home } from '../home.ts'
import { resolvePath } from './file-paths.ts'
import { invalidConfig, ruleText, schemaIssueText, unknownKeyText } from './issue-text.ts'
import { deleteAt, dotted, isTable, type KeyPath, mergeTables, setAt, type Table, valueAt } from './key-path.ts'
import { type Layers, mergedFiles } from './layers.ts'
import { presets } from './presets.ts'
import { brokenRules } from './rules.ts'
import { type Config, configSchema, defaultConfig, sectionNames } from './schema.ts'
import { offlineModel } from './sections/models.ts'
import { offlineProvider, providerKeys } from './sections/providers.ts'

/** Beyond this many rounds, what is left is no unknown key and no text read as a number. */
const maxRounds = 16
const minKeyLength = 16

export interface Effective {
  config: Config
  warnings: string[]
  unknown: KeyPath[]
}

/**
 * The configuration that the layers amount to. `hasKey` tells whether a key for a bundled provider exists.
 * Throws `invalid` that names every section and key that is wrong.
 */
export function effectiveConfig(layers: Layers, home: Home, hasKey: (provider: string) => boolean): Effective {
  const input = mergeTables(mergedFiles(layers), layers.env.values)
  if (isTable(input.providers) || input.providers === undefined) {
    input.providers = withPresets(isTable(input.providers) ? input.providers : {}, hasKey)
  }
  const warnings: string[] = []
  const unknown: KeyPath[] = []
  const config = parseConfig(input, layers, (path) => {
    unknown.push(path)
    warnings.push(unknownKeyText(path, knownKeys(path.slice(0, -1))))
  })
  resolvePaths(config, home)
  const broken = brokenRules(config)
  if (broken.length > 0) throw invalidConfig(broken.map(ruleText))
  return { config, warnings: [...layers.warnings, ...warnings, ...advice(config)], unknown }
}

function parseConfig(input: Table, layers: Layers, onUnknown: (path: KeyPath) => void): Config {
  for (let round = 0; ; round++) {
    const parsed = configSchema.safeParse(input)
    if (parsed.success) return parsed.data
    let repaired = false
    for (const issue of parsed.error.issues) {
      const path = issue.path.map(String)
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys) {
          onUnknown([...path, key])
          removeUnknown(input, path, key)
        }
        repaired = true
      } else if (issue.code === 'invalid_type' && issue.expected === 'string') {
        const text = layers.env.texts.get(dotted(path))
        if (text !== undefined && valueAt(input, path) !== text) {
          setAt(input, path, text)
          repaired = true
        }
      }
    }
    if (repaired && round < maxRounds) continue
    const wrong = parsed.error.issues.filter(({ code }) => code !== 'unrecognized_keys')
    throw invalidConfig(wrong.map((issue) => schemaIssueText(issue, input)))
  }
}

/** An unknown key may also stand in a table inside a list. */
function removeUnknown(input: Table, path: KeyPath, key: string): void {
  const parent = valueAt(input, path)
  if (isTable(parent)) delete parent[key]
  else deleteAt(input, [...path, key])
}

function knownKeys(path: KeyPath): string[] {
  if (path.length === 0) return [...sectionNames]
  if (path[0] === 'providers') return providerKeys
  const table = valueAt(defaultConfig, path)
  return isTable(table) ? Object.keys(table) : []
}

/** Sections named like a preset are completed from it; a preset whose key exists joins by itself. */
function withPresets(configured: Table, hasKey: (provider: string) => boolean): Table {
  const providers: Table = {}
  for (const [name, preset] of Object.entries(presets))
    if (!(name in configured) && hasKey(name)) providers[name] = { ...preset }
  for (const [name, entry] of Object.entries(configured)) {
    const preset = Object.hasOwn(presets, name) ? presets[name] : undefined
    if (!isTable(entry)) providers[name] = entry
    else providers[name] = withLocality(preset ? mergeTables({ ...preset }, entry) : { ...entry })
  }
  return providers
}

/** A provider on this machine for which nobody named a key needs none. */
function withLocality(entry: Table): Table {
  const named = entry.is_local !== undefined || entry.api_key_env || entry.api_key_ref || entry.api_key
  if (named || typeof entry.url !== 'string' || !URL.canParse(entry.url)) return entry
  const { hostname } = new URL(entry.url)
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname) ? { ...entry, is_local: true } : entry
}

const pathKeys: readonly KeyPath[] = [
  ['agent', 'workspace'],
  ['server', 'log_dir'],
  ['database', 'path'],
  ['skills', 'skills_dir'],
  ['skills', 'workspace_dir'],
  ['wallet', 'path'],
  ['plugins', 'dir'],
  ['browser', 'profile_dir'],
  ['browser', 'executable_path'],
  ['daemon', 'pid_file'],
  ['multimodal', 'media_dir'],
  ['devices', 'identity_path'],
  ['obsidian', 'vault_path'],
]

function resolvePaths(config: Config, { root }: Home): void {
  for (const path of pathKeys) {
    const value = valueAt(config, path)
    if (typeof value === 'string') setAt(config, path, resolvePath(value, root))
  }
  const { filesystem } = config.security
  filesystem.tool_allowed_paths = filesystem.tool_allowed_paths.map((path) => resolvePath(path, root))
  config.obsidian.auto_detect_paths = config.obsidian.auto_detect_paths.map((path) => resolvePath(path, root))
  for (const source of config.knowledge.sources) if (source.path !== null) source.path = resolvePath(source.path, root)
}

/** What is allowed but most likely not meant. */
function* advice({ server, models, providers }: Config): Generator<string> {
  for (const [name, { api_key }] of Object.entries(providers)) {
    if (api_key !== null) {
      yield `providers.${name}.api_key: a key in a file can be read by whoever reads the file; store it with "keel provider key ${name}" and remove it here`
    }
  }
  if (server.api_key !== null && server.api_key.length < minKeyLength) {
    yield `server.api_key: shorter than ${minKeyLength} characters, and so easy to guess`
  }
  const names = [models.primary, ...models.fallbacks]
  for (const [i, name] of names.entries()) {
    const key = i === 0 ? 'models.primary' : 'models.fallbacks'
    const provider = name.split('/')[0] ?? ''
    if (!name.includes('/')) yield `${key}: "${name}" names no provider; a model is written as "provider/model"`
    else if (name !== offlineModel && !Object.hasOwn(providers, provider)) {
      yield `${key}: "${name}" can not be used, as the provider "${provider}" is ${provider === offlineProvider ? 'reserved' : 'not configured'}`
    }
  }
}
