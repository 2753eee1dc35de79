import type { IndexWords } from '../index-words.ts'
import type { TermFrequencies } from '../term-frequencies.ts'
import { type Feature, featuresOf } from './features.ts'
import type { Embedder } from './model.ts'
import { project } from './projection.ts'
import { toUnit } from './vector-bytes.ts'

export const lexicalModel = 'keel/lexical-384'
const dimensions = 384

/**
 * Vectors without weights: texts are near one another when they share stems, pairs of words or pieces of words, and only
 * then. How rare a word is counts on the question's side alone, so what is stored stays right while the memory grows.
 */
export function lexicalEmbedder(words: IndexWords, frequencies: TermFrequencies): Embedder {
  const rarityOf = (token: string, rows: number) =>
    Math.max(...token.split(' ').map((part) => frequencies.rarity(part, rows)))
  return {
    model: lexicalModel,
    dimensions,
    batch: 32,
    // It knows nothing that the words do not say.
    weight: 0.6,
    // Three times the deviation of texts that share nothing: 1 / √384.
    chance: 0.15,
    embed: async (texts) => texts.map((text) => lexicalVector(featuresOf(text, words))),
    async embedQuery(text) {
      const rows = frequencies.rows()
      const features = featuresOf(text, words)
      // The pieces of a word share its rarity, which is looked up once.
      const rarities = new Map(
        [...new Set(features.map(({ token }) => token))].map((token) => [token, rarityOf(token, rows)]),
      )
      return lexicalVector(
        features.map((feature) => ({ ...feature, weight: feature.weight * (rarities.get(feature.token) ?? 1) })),
      )
    },
  }
}

/** What is said again and again counts more, but less each time. */
export function lexicalVector(features: readonly Feature[]): Float32Array {
  const together = new Map<string, { weight: number; times: number }>()
  for (const { name, weight } of features) {
    const known = together.get(name)
    together.set(name, { weight: Math.max(weight, known?.weight ?? 0), times: (known?.times ?? 0) + 1 })
  }
  const sum = new Float64Array(dimensions)
  for (const [name, { weight, times }] of together) project(sum, name, weight * Math.sqrt(times))
  return toUnit(sum) ?? toUnit([1, ...new Array<number>(dimensions - 1).fill(0)]) ?? new Float32Array(dimensions)
}
