import type { IndexWords } from './index-words.ts'

/** Of a text that names are looked for in, in characters. */
const maxCharacters = 8_192

/** Tells of a name whether all of its words are in the text. */
export function namedIn(text: string, words: IndexWords): (name: string | null) => boolean {
  const said = new Set(words.of(text.slice(0, maxCharacters)).flatMap(({ tokens }) => tokens))
  const known = new Map<string, boolean>()
  return (name) => {
    if (name === null) return false
    const answer =
      known.get(name) ??
      areSaid(
        words.of(name).flatMap(({ tokens }) => tokens),
        said,
      )
    known.set(name, answer)
    return answer
  }
}

function areSaid(tokens: readonly string[], said: ReadonlySet<string>): boolean {
  return tokens.length > 0 && tokens.every((token) => said.has(token))
}
