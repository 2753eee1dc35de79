/**
 * A value as a remote object, with objects as plain JSON within bounds. Runs in a page, as text: nothing from outside of
 * it may be named in here, and a page may have changed everything that it names itself, so that bounds are counted by
 * the language's own means.
 */
export function describeValue(value: unknown, bounds: { depth: number; nodes: number; length: number }) {
  let nodes = 0
  let length = 0
  const cut = (text: string): string => {
    let room = bounds.length - length
    if (room < 0) room = 0
    const kept = text.length > room ? `${text.substring(0, room)}…` : text
    // Whatever became of substring, more than there is room for is not told.
    const safe = kept.length > room + 1 ? '…' : kept
    length += safe.length
    return safe
  }
  const plain = (given: unknown, depth: number): unknown => {
    nodes += 1
    if (given === null || typeof given === 'boolean') return given
    if (typeof given === 'number') return Number.isFinite(given) ? given : `${given}`
    if (typeof given === 'string') return cut(given)
    if (typeof given === 'bigint') return cut(`${given}`)
    if (typeof given !== 'object') return `[${typeof given}]`
    if (depth >= bounds.depth || nodes > bounds.nodes) return '…'
    const source = given as Record<string, unknown>
    if (typeof source.toJSON === 'function') return plain(source.toJSON(), depth + 1)
    if (Array.isArray(given)) {
      const list: unknown[] = []
      for (let index = 0; index < given.length; index++) {
        list[index] = plain(given[index], depth + 1)
        if (nodes > bounds.nodes || length >= bounds.length) break
      }
      return list
    }
    const object = { __proto__: null } as unknown as Record<string, unknown>
    for (const key of Object.keys(given)) {
      object[cut(key)] = plain(source[key], depth + 1)
      if (nodes > bounds.nodes || length >= bounds.length) break
    }
    return object
  }
  const type = typeof value
  if (value === null) return { type: 'object', subtype: 'null', value: null }
  if (type === 'undefined') return { type }
  if (type === 'bigint') return { type, unserializableValue: `${value}n`, description: `${value}n` }
  if (type === 'number') {
    const said = Object.is(value, -0) ? '-0' : `${value}`
    const isPlain = Number.isFinite(value) && said !== '-0'
    return isPlain ? { type, value, description: said } : { type, unserializableValue: said, description: said }
  }
  if (type === 'string' || type === 'boolean') return { type, value: plain(value, 0) }
  if (type === 'symbol' || type === 'function') return { type, description: cut(String(value)) }
  if (value instanceof Error) return { type, subtype: 'error', description: cut(String(value)) }
  const told = plain(value, 0)
  const whole = nodes <= bounds.nodes && length < bounds.length
  return { type, ...(Array.isArray(value) && { subtype: 'array' }), value: told, ...(!whole && { truncated: true }) }
}
