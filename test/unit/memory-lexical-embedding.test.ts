import { expect, onTestFinished, test } from 'vitest'
import { lexicalEmbedder } from '../../services/memory/embedding/lexical.ts'
import { cosine, fromBytes, toBits, toBytes, toUnit } from '../../services/memory/embedding/vector-bytes.ts'
import { IndexWords } from '../../services/memory/index-words.ts'
import { TermFrequencies } from '../../services/memory/term-frequencies.ts'
import { memoryStore, remember } from '../support/retrieval-scene.ts'

const signal = new AbortController().signal

function embedder(contents: readonly string[] = []) {
  const { store, db } = memoryStore()
  for (const content of contents) remember(store, { content })
  const words = new IndexWords()
  onTestFinished(() => words.close())
  return lexicalEmbedder(words, new TermFrequencies(db))
}

async function likeness(left: string, right: string): Promise<number> {
  const [a, b] = await embedder().embed([left, right], signal)
  return cosine(a ?? new Float32Array(384), b ?? new Float32Array(384))
}

test('a text has the same vector each time, of length 1', async () => {
  const [first, second] = await embedder().embed(['The same old song', 'The same old song'], signal)
  expect(first).toEqual(second)
  expect(first).toHaveLength(384)
  expect(Math.hypot(...(first ?? []))).toBeCloseTo(1, 5)
})

test.each([
  ['inflections', 'She painted a sunrise', 'painting sunrises', 'The engine needs oil'],
  ['a slip of the pen', 'the pediatrician called', 'pediatritian', 'a plumber'],
  ['parts of a compound', 'Donaudampfschifffahrt', 'Dampfschiff', 'Regenschirm'],
  ['accents', 'Crème brûlée', 'creme brulee', 'pommes frites'],
  ['Chinese', '我喜欢在公园里散步', '公园散步', '明天下雨'],
  ['Thai', 'ฉันชอบกินข้าวผัด', 'ข้าวผัด', 'ฝนตกหนักมาก'],
  ['Cyrillic', 'Мы купили новую машину', 'новая машина', 'Завтра будет дождь'],
  ['emoji', '🎉🎉', '🎉', '🚗'],
])('it is near what shares %s with it', async (_, text, near, far) => {
  expect(await likeness(text, near)).toBeGreaterThan((await likeness(text, far)) + 0.08)
})

test('texts that share nothing are at about right angles', async () => {
  const sentences = ['Copper prices fell sharply', 'My uncle juggles oranges', 'Quarterly review moved']
  const others = ['Winter boots want wax', 'Jazz until midnight', 'Tulips bloom behind fences']
  for (const left of sentences) {
    for (const right of others) expect(Math.abs(await likeness(left, right))).toBeLessThan(0.25)
  }
})

test('grammar alone makes texts no likes', async () => {
  expect(await likeness('what is it that you have', 'what was it that they had with the horse')).toBeLessThan(0.6)
  expect(await likeness('when did you ride the horse', 'when did you sell the house')).toBeLessThan(
    await likeness('when did you ride the horse', 'horse riding'),
  )
})

test('in a question the rare word counts more than the common one', async () => {
  const contents = [...Array.from({ length: 50 }, (_, n) => `meeting number ${n}`), 'zeppelin flight']
  const model = embedder(contents)
  const [meeting, zeppelin] = await model.embed(['meeting', 'zeppelin'], signal)
  const question = await model.embedQuery('meeting zeppelin', signal)
  expect(cosine(question, zeppelin ?? question)).toBeGreaterThan(cosine(question, meeting ?? question) + 0.2)
})

test('no text is without a vector', async () => {
  const vectors = await embedder().embed([' ', '…', '\ud800', '0', '"'.repeat(8_192)], signal)
  for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
})

test('bytes that are no vector are told from those that are', () => {
  const vector = toUnit([1, 2, 2]) ?? new Float32Array(3)
  expect(fromBytes(toBytes(vector), 3)).toEqual(vector)
  expect(fromBytes(toBytes(vector), 4)).toBeUndefined()
  expect(fromBytes(toBytes(vector).subarray(1), 3)).toBeUndefined()
  expect(fromBytes(toBytes(Float32Array.of(0, 0, 0)), 3)).toBeUndefined()
  expect(fromBytes(toBytes(Float32Array.of(1, Number.NaN, 0)), 3)).toBeUndefined()
  expect(fromBytes(toBytes(Float32Array.of(1, Number.POSITIVE_INFINITY, 0)), 3)).toBeUndefined()
  expect([...toBits(Float32Array.of(1, -1, 1, 0, 0, 0, 0, 0, 1))]).toEqual([0b101, 1])
})
