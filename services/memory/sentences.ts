import { estimateTokens } from '#sdk/messages.ts'

/** Of one piece of a long text, and what it repeats of the piece before, in tokens as `estimateTokens` counts them. */
export const chunkTokens = 512
export const overlapTokens = 64
/** Bytes of a text that are cut into chunks; of a longer one its beginning and its end. */
export const maxChunkedBytes = 80_000
const shareOfBeginning = 0.75

const segmenter = new Intl.Segmenter('und', { granularity: 'sentence' })

/** Sentences with the spaces after them; joined, they are the text. Line breaks end one as well. */
export function sentencesOf(text: string): string[] {
  return [...segmenter.segment(text)].map(({ segment }) => segment)
}

/** A long text in pieces that end with a sentence, each beginning with the last sentences of the one before. */
export function chunksOf(text: string): string[] {
  if (estimateTokens(text) <= chunkTokens) return [text]
  const chunks: string[] = []
  let current: string[] = []
  let size = 0
  for (const part of boundedText(text).flatMap(sentencesOf).flatMap(splitLong)) {
    const tokens = estimateTokens(part)
    if (size + tokens > chunkTokens && current.length > 0) {
      chunks.push(current.join(''))
      current = endOf(current, Math.min(overlapTokens, chunkTokens - tokens))
      size = estimateTokens(current.join(''))
    }
    current.push(part)
    size += tokens
  }
  chunks.push(current.join(''))
  return chunks.map((chunk) => chunk.trim()).filter((chunk) => chunk !== '')
}

/** The longest end of whole sentences within so many tokens. */
function endOf(parts: readonly string[], tokens: number): string[] {
  let left = tokens
  let from = parts.length
  while (from > 0) {
    left -= estimateTokens(parts[from - 1] ?? '')
    if (left < 0) break
    from--
  }
  return parts.slice(from)
}

/** A sentence longer than a chunk, cut between words where there are any. */
function splitLong(sentence: string): string[] {
  const pieces: string[] = []
  let rest = sentence
  while (estimateTokens(rest) > chunkTokens) {
    const head = beginningOf(rest, chunkTokens * 4)
    const space = head.lastIndexOf(' ')
    const cut = space > head.length / 2 ? space + 1 : head.length
    pieces.push(rest.slice(0, cut))
    rest = rest.slice(cut)
  }
  return rest === '' ? pieces : [...pieces, rest]
}

function boundedText(text: string): string[] {
  if (Buffer.byteLength(text) <= maxChunkedBytes) return [text]
  const beginning = beginningOf(text, maxChunkedBytes * shareOfBeginning)
  const bytes = Buffer.from(text)
  let from = bytes.length - (maxChunkedBytes - Buffer.byteLength(beginning))
  // A byte 10xxxxxx continues a character.
  while (from < bytes.length && ((bytes[from] ?? 0) & 0xc0) === 0x80) from++
  return [beginning, bytes.toString('utf8', from)]
}

/** The longest beginning of at most so many bytes that ends between two characters. */
export function beginningOf(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text
  // Of UTF-16 as many units as bytes are always enough; what is cut of them afterwards is short.
  const bytes = Buffer.from(text.slice(0, maxBytes))
  let end = Math.min(maxBytes, bytes.length)
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
