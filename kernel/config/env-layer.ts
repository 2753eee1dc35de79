import { parse } from 'smol-toml'
import { nearestName } from './issue-text.ts'
import { dotted, isForbiddenKey, isTable, setAt, type Table } from './key-path.ts'
import type { EnvLayer } from './layers.ts'
import { presets } from './presets.ts'
import { sectionNames } from './schema.ts'

const prefix = 'KEEL_'

/** Variables with a name of their own. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  KEEL_HOST: ['server', 'bind'],
  KEEL_PORT: ['server', 'port'],
  KEEL_API_KEY: ['server', 'api_key'],
  KEEL_LOG_LEVEL: ['agent', 'log_level'],
}

/** Reads `KEEL_<SECTION>__<KEY>` and the aliases; an empty variable counts as unset. */
export function readEnvLayer(env: NodeJS.ProcessEnv, providerNames: readonly string[], warnings: string[]): EnvLayer {
  const values: Table = {}
  const texts = new Map<string, string>()
  for (const [name, text] of Object.entries(env).sort(([left], [right]) => (left < right ? -1 : 1))) {
    if (!name.startsWith(prefix) || !text) continue
    const path = aliases[name] ?? pathOf(name, providerNames)
    if (!path) continue
    const [section = ''] = path
    if (!(sectionNames as string[]).includes(section)) {
      const nearest = nearestName(section, sectionNames)
      warnings.push(`${name}: unknown section, ignored${nearest ? `; did you mean "${nearest}"?` : ''}`)
    } else if (path.some((key) => key === '' || isForbiddenKey(key))) {
      warnings.push(`${name}: this key is never used, ignored`)
    } else {
      setAt(values, path, name in aliases && path.at(-1) !== 'port' ? text : parseSetting(text))
      texts.set(dotted(path), text)
    }
  }
  return { values, texts }
}

function pathOf(name: string, providerNames: readonly string[]): string[] | undefined {
  const path = name.slice(prefix.length).toLowerCase().split('__')
  if (path.length < 2) return undefined
  // A variable's name has no "-" and no capitals; the provider's may.
  if (path[0] === 'providers' && path[1] !== undefined) path[1] = providerNameOf(path[1], providerNames)
  return path
}

function providerNameOf(given: string, names: readonly string[]): string {
  const plain = (name: string) => name.toLowerCase().replace(/[.-]/g, '_')
  return [...names, ...Object.keys(presets)].find((name) => plain(name) === given) ?? given
}

/** The text as a TOML value when it is a boolean, a number, a quoted text or a list; else as it stands. */
export function parseSetting(text: string): unknown {
  if (/[\r\n]/.test(text)) return text
  try {
    const { value, ...others } = parse(`value = ${text}`)
    const isPlain = !isTable(value) && !(value instanceof Date) && typeof value !== 'bigint'
    return isPlain && Object.keys(others).length === 0 ? value : text
  } catch {
    return text
  }
}
