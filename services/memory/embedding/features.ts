import type { IndexWords, Word } from '../index-words.ts'
import { isLight } from '../light-words.ts'

/** Something that texts can have in common, and how much it says. */
export interface Feature {
  name: string
  weight: number
  /** The token whose rarity is its own. */
  token: string
}

/** Two words beside one another, and the pieces of one word all together, beside a word itself. */
const pairWeight = 0.5
const piecesWeight = 0.6
const lightWeight = 0.15
/** Pieces of a word are so many characters long, its edges counted. */
const pieceLengths = [3, 4, 5]
const maxWords = 1_500

/** The stems of a text, the pairs of its heavier words, and the pieces of its words. */
export function featuresOf(text: string, words: IndexWords): Feature[] {
  const found = words.of(text, maxWords)
  if (found.length === 0) return symbolsOf(text)
  const heavy = found.filter((word) => !isLight(word.text))
  return [...found.flatMap(ofWord), ...heavy.slice(1).map((word, at) => ofPair(heavy[at] ?? word, word))]
}

function ofWord(word: Word): Feature[] {
  const token = word.tokens.join(' ')
  if (isLight(word.text)) return [{ name: `w ${token}`, weight: lightWeight, token }]
  const pieces = piecesOf(word.text)
  const weight = piecesWeight / Math.sqrt(pieces.length)
  return [{ name: `w ${token}`, weight: 1, token }, ...pieces.map((piece) => ({ name: `p ${piece}`, weight, token }))]
}

function ofPair(left: Word, right: Word): Feature {
  const [first, second] = [left.tokens.join(' '), right.tokens.join(' ')]
  return { name: `n ${first} ${second}`, weight: pairWeight, token: second }
}

/** With its edges marked, so that beginnings and endings are told from middles; accents are left aside. */
function piecesOf(word: string): string[] {
  const plain = word
    .toLowerCase()
    .normalize('NFD')
    .replaceAll(/\p{Mn}/gu, '')
  const characters = ['^', ...(plain === '' ? word : plain), '$']
  return pieceLengths.flatMap((length) =>
    Array.from({ length: Math.max(0, characters.length - length + 1) }, (_, at) =>
      characters.slice(at, at + length).join(''),
    ),
  )
}

/** Of a text without a word, such as a row of emoji: what it is made of. */
function symbolsOf(text: string): Feature[] {
  const symbols = [...text.normalize('NFKC').replaceAll(/\s+/g, '')].slice(0, maxWords)
  return (symbols.length > 0 ? symbols : ['']).map((symbol) => ({ name: `s ${symbol}`, weight: 1, token: symbol }))
}
