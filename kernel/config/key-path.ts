/** Where a value stands: its section, its key and what is inside. A key may hold dots of its own, such as a model's name. */
export type KeyPath = readonly string[]

export type Table = { [key: string]: unknown }

const bareKey = /^[A-Za-z0-9_-]+$/

/** Keys that would reach into JavaScript's objects; they are never anyone's setting. */
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype'])

export function isForbiddenKey(key: string): boolean {
  return forbiddenKeys.has(key)
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** As TOML writes it: `models.model_overrides."openai/gpt-5".tier`. */
export function dotted(path: KeyPath): string {
  return path.map((key) => (bareKey.test(key) ? key : JSON.stringify(key))).join('.')
}

const dottedPart = /"((?:[^"\\]|\\.)*)"|([^."]+)/y

/** What `dotted` wrote, as keys; undefined when it is no such text. */
export function parseDotted(text: string): string[] | undefined {
  const keys: string[] = []
  dottedPart.lastIndex = 0
  while (true) {
    const match = dottedPart.exec(text)
    if (!match) return undefined
    keys.push(match[1] === undefined ? (match[2] as string) : unquote(match[1]))
    if (dottedPart.lastIndex === text.length) return keys
    if (text[dottedPart.lastIndex] !== '.') return undefined
    dottedPart.lastIndex += 1
  }
}

function unquote(quoted: string): string {
  return quoted.replace(/\\(.)/g, '$1')
}

export function valueAt(root: unknown, path: KeyPath): unknown {
  let value = root
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)]
    else if (isTable(value) && Object.hasOwn(value, key)) value = value[key]
    else return undefined
  }
  return value
}

/** Sets a value, making the tables on the way; a value that stands where a table must be gives way. */
export function setAt(root: Table, path: KeyPath, value: unknown): void {
  let table = root
  for (const key of path.slice(0, -1)) {
    const inner = Object.hasOwn(table, key) ? table[key] : undefined
    if (isTable(inner)) table = inner
    else {
      const made: Table = {}
      table[key] = made
      table = made
    }
  }
  const last = path.at(-1)
  if (last !== undefined) table[last] = value
}

/** Removes a value and the tables that it leaves empty. */
export function deleteAt(root: Table, path: KeyPath): void {
  const [key, ...rest] = path
  if (key === undefined || !Object.hasOwn(root, key)) return
  const inner = root[key]
  if (rest.length === 0) delete root[key]
  else if (isTable(inner)) {
    deleteAt(inner, rest)
    if (Object.keys(inner).length === 0) delete root[key]
  }
}

/** Every value that is not a table, every empty table, and every table `maxDepth` keys down, with its path. */
export function* leavesOf(value: unknown, maxDepth = 64, path: KeyPath = []): Generator<[KeyPath, unknown]> {
  const isInner = isTable(value) && path.length < maxDepth && (Object.keys(value).length > 0 || path.length === 0)
  if (!isInner) yield [path, value]
  else for (const [key, inner] of Object.entries(value)) yield* leavesOf(inner, maxDepth, [...path, key])
}

export function startsWith(path: KeyPath, prefix: KeyPath): boolean {
  return prefix.every((key, i) => path[i] === key)
}

/** Tables merge, anything else replaces. */
export function mergeTables(base: Table, over: Table): Table {
  const merged: Table = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    merged[key] = isTable(below) && isTable(value) ? mergeTables(below, value) : value
  }
  return merged
}
