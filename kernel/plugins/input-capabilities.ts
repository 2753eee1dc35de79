const pathKeys = new Set(['path', 'file', 'filepath', 'directory', 'dir', 'filename'])
const networkKeys = new Set(['url', 'endpoint', 'host', 'api'])
/** Names of models look like paths and are none. */
const modelKeys = new Set([
  'model',
  'model_id',
  'provider',
  'provider_model',
  'engine',
  'primary',
  'fallback',
  'model_name',
])
const pathLike = /^(?:\/|\.{1,2}[/\\]|~[/\\]|\\\\|[A-Za-z]:[/\\])/
const addressLike = /^(?:https?|wss?):\/\//i
const maxDepth = 64

/** What an input for a script seems to need and its plugin did not ask for: `filesystem`, `network`. */
export function missingCapabilities(input: unknown, permissions: readonly string[]): string[] {
  const needed = new Set<string>()
  const look = (value: unknown, keys: { path: boolean; network: boolean; model: boolean }, depth: number): void => {
    // What is too deep to be looked at may be anything.
    if (depth > maxDepth) {
      needed.add('filesystem').add('network')
      return
    }
    if (typeof value === 'string') {
      if (addressLike.test(value) || keys.network) needed.add('network')
      else if (keys.path || pathLike.test(value) || (value.includes('/') && !keys.model && !/\s/.test(value)))
        needed.add('filesystem')
      return
    }
    if (typeof value !== 'object' || value === null) return
    for (const [name, part] of Object.entries(value)) {
      const key = Array.isArray(value) ? undefined : name.toLowerCase()
      if (key !== undefined && pathKeys.has(key)) needed.add('filesystem')
      if (key !== undefined && networkKeys.has(key)) needed.add('network')
      const below =
        key === undefined
          ? keys
          : { path: keys.path || pathKeys.has(key), network: networkKeys.has(key), model: modelKeys.has(key) }
      look(part, below, depth + 1)
    }
  }
  look(input, { path: false, network: false, model: false }, 0)
  return ['filesystem', 'network'].filter((name) => needed.has(name) && !permissions.includes(name))
}
