/** Scripts that put no spaces between words and are looked up by pairs of characters. */
const pairedRun = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+/gu
/** Scripts that put no spaces between words and are cut into words by a dictionary. */
const unspacedRun = /[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/gu

const segmenter = new Intl.Segmenter('und', { granularity: 'word' })

/**
 * The words of a text that a tokenizer which goes by spaces does not find, separated by spaces; empty for most texts.
 * Kept beside what is stored and asked for with what is looked for, they make every script searchable.
 */
export function searchTerms(text: string): string {
  const normal = text.normalize('NFKC')
  const pairs = [...normal.matchAll(pairedRun)].flatMap(([run]) => pairsOf(run))
  const words = [...normal.matchAll(unspacedRun)].flatMap(([run]) => wordsOf(run))
  return [...new Set([...pairs, ...words])].join(' ')
}

function pairsOf(run: string): string[] {
  const characters = [...run]
  // The last one alone as well: so each character begins some term, and one character can be looked for.
  return characters.map((character, at) => `${character}${characters[at + 1] ?? ''}`)
}

function wordsOf(run: string): string[] {
  return [...segmenter.segment(run)].filter(({ isWordLike }) => isWordLike).map(({ segment }) => segment)
}

/** A text in two: what goes by spaces, and the rest, which `searchTerms` cuts. */
export function unspacedText(text: string): { spaced: string; unspaced: string } {
  const runs = [...text.matchAll(pairedRun), ...text.matchAll(unspacedRun)].map(([run]) => run)
  if (runs.length === 0) return { spaced: text, unspaced: '' }
  return { spaced: text.replace(pairedRun, ' ').replace(unspacedRun, ' '), unspaced: runs.join(' ') }
}
