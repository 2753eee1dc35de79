/** Float32, little-endian, as they are stored. */
export function toBytes(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(vector.length * 4)
  for (let at = 0; at < vector.length; at++) bytes.writeFloatLE(vector[at] ?? 0, at * 4)
  return bytes
}

/** The vector in these bytes; undefined where they are none: a wrong length, a value that is no number, nothing but zeros. */
export function fromBytes(bytes: Uint8Array, dimensions: number): Float32Array | undefined {
  if (bytes.byteLength !== dimensions * 4) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const vector = new Float32Array(dimensions)
  let squares = 0
  for (let at = 0; at < dimensions; at++) {
    const value = view.getFloat32(at * 4, true)
    vector[at] = value
    squares += value * value
  }
  return squares > 0 && Number.isFinite(squares) ? vector : undefined
}

/** Scaled to length 1; undefined where it has no direction. */
export function toUnit(values: ArrayLike<number>): Float32Array | undefined {
  let squares = 0
  for (let at = 0; at < values.length; at++) squares += (values[at] ?? 0) ** 2
  if (!(squares > 0) || !Number.isFinite(squares)) return undefined
  const length = Math.sqrt(squares)
  return Float32Array.from(values, (value) => value / length)
}

/** One bit a dimension, its sign, filled up to whole bytes. */
export function toBits(vector: Float32Array): Buffer {
  const bits = Buffer.alloc(Math.ceil(vector.length / 8))
  for (let at = 0; at < vector.length; at++) {
    if ((vector[at] ?? 0) > 0) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7))
  }
  return bits
}

/** Of two vectors of the same length, from -1 to 1. */
export function cosine(left: Float32Array, right: Float32Array): number {
  let dot = 0
  let leftSquares = 0
  let rightSquares = 0
  for (let at = 0; at < left.length; at++) {
    const a = left[at] ?? 0
    const b = right[at] ?? 0
    dot += a * b
    leftSquares += a * a
    rightSquares += b * b
  }
  return dot / Math.sqrt(leftSquares * rightSquares || 1)
}
