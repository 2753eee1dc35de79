import { seededRandom } from '../../support/seeded-random.ts'

/*
 * Sentences without sense, for measuring time: lengths as people write them, and words as often as words are, the n-th most
 * frequent one 1/n as often as the first.
 */

const grammar =
  'the to and of a in I it is that you was for on my with we this at have but be so me they not are just had as what'.split(
    ' ',
  )
const vocabulary = 60_000
const syllables = 'ka lo mi ren sta tu vi dor el pha gri no sem bal ut che'.split(' ')
/** Questions begin so; the rest of the six words is of the memory's own. */
const questionWords = ['what', 'when', 'where', 'who', 'why', 'how']

export class Corpus {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  sentence(): string {
    const words = 6 + Math.floor(this.#random() ** 2 * 40)
    return Array.from({ length: words }, () => wordAt(this.#rank())).join(' ')
  }

  /** Six words: one that asks, one of grammar, four of the memory's own as often as they occur there. */
  question(): string {
    const ask = questionWords[Math.floor(this.#random() * questionWords.length)]
    const link = grammar[Math.floor(this.#random() * grammar.length)]
    const own = Array.from({ length: 4 }, () => wordAt(Math.max(this.#rank(), grammar.length)))
    return `${ask} ${link} ${own.join(' ')}`
  }

  /** Of length 1 and of no direction in particular: comparing takes as long whatever it says. */
  vector(dimensions: number): Float32Array {
    const values = Float32Array.from({ length: dimensions }, () => this.#random() - 0.5)
    const length = Math.hypot(...values)
    return values.map((value) => value / length)
  }

  /** By Zipf's law with exponent 1, close enough: the share of ranks below r grows with the logarithm of r. */
  #rank(): number {
    return Math.floor(Math.exp(this.#random() * Math.log(vocabulary))) - 1
  }
}

function wordAt(rank: number): string {
  const common = grammar[rank]
  if (common) return common
  let word = ''
  for (let rest = rank; rest > 0; rest = Math.floor(rest / syllables.length)) word += syllables[rest % syllables.length]
  return word
}
