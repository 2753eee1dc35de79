/** Makes vectors of texts. */
export interface Embedder {
  /** Kept beside each vector: with another name all are made anew. */
  readonly model: string
  /** null until it has made one. */
  readonly dimensions: number | null
  /** Texts that it takes at once. */
  readonly batch: number
  /** How much its vote counts beside that of the words, 0 to 1, before the settings have their say. */
  readonly weight: number
  /** Unit vectors, in the order of the texts. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]>
  /** Of a question. */
  embedQuery(text: string, signal: AbortSignal): Promise<Float32Array>
}

/** What is embedded of an entry: what it is called, and what it says. */
export function embeddedText({ key, name, content }: { key: string | null; name: string | null; content: string }) {
  return [key, name, content].filter(Boolean).join('\n')
}
