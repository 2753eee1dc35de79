import { expect, onTestFinished, test } from 'vitest'
import { IndexWords } from '../../services/memory/index-words.ts'
import { parseQueryText } from '../../services/memory/query-text.ts'
import { TermFrequencies } from '../../services/memory/term-frequencies.ts'
import { searchText } from '../../services/memory/text-search.ts'
import { memoryStore, remember } from '../support/retrieval-scene.ts'

function scene(contents: readonly string[]) {
  const { store, db } = memoryStore()
  for (const content of contents) remember(store, { content })
  const words = new IndexWords()
  onTestFinished(() => words.close())
  const parse = (text: string) => parseQueryText(text, { words, frequencies: new TermFrequencies(db) })
  const filter = { agent_id: 'keel', scope_key: null, tiers: [], category: null, session_id: null }
  const find = (text: string) =>
    searchText(db, parse(text), { filter, range: null, wanted: 10 }).map(({ seq }) => contents[seq - 1])
  return { parse, find }
}

const pot = 'The pottery class starts in May'
const cat = 'Biscuit the cat sleeps on the sofa'
const chinese = '我喜欢在公园里散步'
const japanese = '明日は東京で会議があります'
const thai = 'ฉันชอบกินข้าวผัดกับเพื่อน'
const german = 'Die Prüfung in Köln war schwer'
const all = [pot, cat, chinese, japanese, thai, german]

test.each<[string, string[]]>([
  ['pottery', [pot]],
  ['potter', [pot]],
  ['classes starting', [pot]],
  ['pottery cl', [pot]],
  ['a" OR *', []],
  ['pottery" OR *', [pot]],
  ['pottery AND NOT class', [pot]],
  ['NEAR(pottery class, 2)', [pot]],
  ['content : pottery', [pot]],
  ['{content} : pottery ^pottery -pottery + pottery*', [pot]],
  ['"pottery class"', [pot]],
  ['"class pottery"', []],
  ['„pottery class“', [pot]],
  ['"pottery', [pot]],
  ['pottery\u0000class; DROP TABLE memories --', [pot]],
  ['公园', [chinese]],
  ['园', [chinese]],
  ['步', [chinese]],
  ['東京', [japanese]],
  ['ข้าวผัด', [thai]],
  ['prufung koln', [german]],
  ['PRÜFUNG', [german]],
  ['ｐｏｔｔｅｒｙ', [pot]],
  ['😀🎉', []],
  ['', []],
  ['   ', []],
  ['AND OR NOT', []],
  ['"'.repeat(512), []],
  ['*'.repeat(512), []],
  ['('.repeat(256) + ')'.repeat(256), []],
  ['\ud800 pottery \udfff', [pot]],
  [`${'x'.repeat(5_000)} pottery`, [pot]],
  ['zebra '.repeat(2_000), []],
])('%j finds what it says, and nothing breaks', (text, expected) => {
  expect(scene(all).find(text)).toEqual(expected)
})

test('what has all of the words comes before what has some', () => {
  const { find } = scene(['red paint', 'red boat paint', 'boat', 'paint paint paint'])
  expect(find('red boat paint.')[0]).toBe('red boat paint')
  expect(find('red boat paint.')).toHaveLength(4)
})

test('words that ask are not looked for beside others, and are with no others', () => {
  const { find, parse } = scene(['What a day that was when we met', 'Her dog is called Rex'])
  expect(find('what is the name of her dog?')).toEqual(['Her dog is called Rex'])
  expect(parse('what was that?').any).toContain('"what"')
})

test('the rarest words are looked for first, and the most common ones not at all', () => {
  const common = Array.from({ length: 4_100 }, (_, n) => `meeting notes ${n}`)
  const { parse, find } = scene([...common, 'meeting about the zeppelin'])
  const query = parse('meeting zeppelin?')
  expect(query.any).toBe('("zeppelin")')
  expect(query.leftOut).toEqual(['meeting'])
  expect(find('meeting zeppelin?')).toEqual(['meeting about the zeppelin'])
  expect(find('meeting?')).toHaveLength(80)
})

test('a name counts beside what is asked about, and is enough only where nothing else is known', () => {
  const { store, db } = memoryStore()
  const say = (name: string, content: string) => remember(store, { name, content })
  const greeting = say('Ben', 'Hello Caroline!')
  const hers = say('Caroline', 'the marathon was long')
  const his = say('Ben', 'the marathon was long')
  const words = new IndexWords()
  onTestFinished(() => words.close())
  const frequencies = new TermFrequencies(db)
  const filter = { agent_id: 'keel', scope_key: null, tiers: [], category: null, session_id: null }
  const find = (text: string) =>
    searchText(db, parseQueryText(text, { words, frequencies }), { filter, range: null, wanted: 10 }).map(
      ({ seq }) => seq,
    )
  expect(find('Caroline’s marathon?')).toEqual([hers, his])
  expect(find('Caroline’s submarine?').sort()).toEqual([greeting, hers])
})
