/** Of a vector's dimensions, how many a feature touches. */
const touched = 8

/**
 * Adds a feature to a vector: up or down in a few dimensions that follow from its name alone. Texts without a feature in
 * common end up nearly at right angles, and no table of features is needed.
 */
export function project(vector: Float64Array, feature: string, weight: number): void {
  let state = hash(feature)
  for (let n = 0; n < touched; n++) {
    state = next(state)
    const at = (state >>> 1) % vector.length
    vector[at] = (vector[at] ?? 0) + (state & 1 ? weight : -weight)
  }
}

/** FNV-1a over UTF-16 units. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return value >>> 0
}

/** The step and the finish of mulberry32, by Tommy Ettinger (public domain). */
function next(state: number): number {
  const step = (state + 0x6d2b79f5) >>> 0
  let mixed = Math.imul(step ^ (step >>> 15), step | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return (mixed ^ (mixed >>> 14)) >>> 0
}
