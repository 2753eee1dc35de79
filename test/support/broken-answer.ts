export interface ReadAnswer {
  text: string
  /** The answer came to its proper end; otherwise the connection ended before it. */
  isWhole: boolean
}

/** What comes of a body, also when its connection breaks off. */
export async function readToTheEnd(body: AsyncIterable<Uint8Array> | null): Promise<ReadAnswer> {
  const parts: Uint8Array[] = []
  let isWhole = true
  try {
    for await (const part of body ?? []) parts.push(part)
  } catch {
    isWhole = false
  }
  return { text: Buffer.concat(parts).toString(), isWhole }
}
