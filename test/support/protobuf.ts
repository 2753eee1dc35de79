/** One field of a message as it is on the wire: what it means is for whoever knows the message. */
export interface WireField {
  number: number
  /** Of types 0, 1 and 5; as a signed number of 64 bits it may be too large for a number. */
  integer?: bigint
  /** Of type 2. */
  bytes?: Buffer
}

/** Reads a message of protocol buffers strictly: what is cut off or of a type that is none is an error. */
export function readMessage(buffer: Buffer): WireField[] {
  const fields: WireField[] = []
  let at = 0

  function varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = buffer[at++]
      if (byte === undefined) throw new Error('A number is cut off')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new Error('A number is too long')
  }

  function take(length: number): Buffer {
    if (at + length > buffer.length) throw new Error('A field is cut off')
    at += length
    return buffer.subarray(at - length, at)
  }

  while (at < buffer.length) {
    const key = varint()
    const number = Number(key >> 3n)
    const type = Number(key & 7n)
    if (type === 0) fields.push({ number, integer: varint() })
    else if (type === 1) fields.push({ number, integer: take(8).readBigUInt64LE() })
    else if (type === 2) fields.push({ number, bytes: take(Number(varint())) })
    else if (type === 5) fields.push({ number, integer: BigInt(take(4).readUInt32LE()) })
    else throw new Error(`There is no wire type ${type}`)
  }
  return fields
}

export function fieldsOf(message: readonly WireField[], number: number): Buffer[] {
  return message.flatMap((field) => (field.number === number && field.bytes ? [field.bytes] : []))
}

export function integerOf(message: readonly WireField[], number: number): bigint {
  return message.find((field) => field.number === number)?.integer ?? 0n
}
