import type { IndexWords, Word } from './index-words.ts'
import { isLight } from './light-words.ts'
import type { TermFrequencies } from './term-frequencies.ts'

/** What a text asks of the text index. The expressions are of FTS5 and hold nothing of the text but quoted words. */
export interface QueryText {
  /** All words that matter, and every phrase; null where that asks no more than `any`. */
  all: string | null
  /** One of the words that are rare enough, and every phrase; null where nothing can be looked for. */
  any: string | null
  /** The rarest is in so many entries that ranking them all would take too long: the newest stand for them. */
  newestOnly: boolean
  /** Words too common to be looked for. */
  leftOut: string[]
}

/** Ranking costs a time for each entry that a word is in: of a memory's entries so many, but always so many, and never more. */
const budgetShare = 0.02
const leastBudget = 4_000
/** One word alone may cost more than the budget, up to so many entries. */
const mostForOneWord = 60_000
/** Words of a text that are looked at, from its beginning and its end; a question tends to come last. */
const maxCharacters = 2_048
const maxWords = 128
/** Words that are looked for at most. */
const maxTerms = 32
const maxPhrases = 8
/** Letters of a token that other words may begin with. */
const leastPrefix = 3
const isSingleHan = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]$/u

const phraseShape = /"([^"]*)"|“([^”]*)”|„([^“”]*)[“”]|«([^»]*)»/g
/** As FTS5 has them: in capitals. */
const operators = new Set(['AND', 'OR', 'NOT', 'NEAR'])

interface Phrase {
  text: string
  /** In which it can be, at most. */
  entries: number
}

interface Term extends Phrase {
  isPrefix: boolean
}

export interface QueryScope {
  words: IndexWords
  frequencies: TermFrequencies
  /** The share of the memory's entries that may be found at all, for searches of one session or the like. */
  share?: number
}

/** Any text at all as a search of the text index. */
export function parseQueryText(text: string, { words, frequencies, share = 1 }: QueryScope): QueryText {
  const given = ends(text)
  const phrases: Phrase[] = []
  const loose = given.replace(phraseShape, (whole, ...groups: (string | undefined)[]) => {
    const phrase = words.of(groups.slice(0, 4).find((group) => group !== undefined) ?? '', maxWords)
    if (phrase.length < 2) return whole
    if (phrases.length < maxPhrases) {
      const entries = Math.min(...phrase.map((word) => rarest(word, frequencies))) * share
      phrases.push({ text: phrase.map((word) => word.text).join(' '), entries })
    }
    return ' '
  })
  const heavy = unique(words.of(loose, maxWords).filter((word) => !operators.has(word.text)))
  const last = lastWord(loose)
  const budget = Math.max(leastBudget, frequencies.rows() * share * budgetShare)
  const terms = preferred(heavy, phrases.length > 0)
    .map((word) => termOf(word, word.text === last, { frequencies, share, budget }))
    .sort((left, right) => left.entries - right.entries)
  return assemble(phrases, terms, budget)
}

interface Costs {
  frequencies: TermFrequencies
  share: number
  budget: number
}

function termOf(word: Word, isLast: boolean, { frequencies, share, budget }: Costs): Term {
  const entries = rarest(word, frequencies) * share
  const [token = ''] = word.tokens
  const mayGoOn = isSingleHan.test(word.text) || (isLast && word.tokens.length === 1 && token.length >= leastPrefix)
  const begun = mayGoOn ? frequencies.ofPrefix(token, budget / share) * share : Number.POSITIVE_INFINITY
  return begun <= budget
    ? { text: word.text, entries: begun, isPrefix: true }
    : { text: word.text, entries, isPrefix: false }
}

function rarest(word: Word, frequencies: TermFrequencies): number {
  return Math.min(...word.tokens.map((token) => frequencies.of(token)))
}

function assemble(phrases: Phrase[], terms: Term[], budget: number): QueryText {
  let spent = 0
  const chosen = terms.filter(({ entries }, at) => {
    const isFirst = at === 0 && phrases.length === 0
    if (!isFirst && (spent + entries > budget || at >= maxTerms)) return false
    spent += entries
    return true
  })
  const leftOut = terms.filter((term) => !chosen.includes(term)).map(({ text }) => text)
  const looseAny = chosen.map(expression)
  const mustHave = phrases.map(({ text }) => quoted(text))
  const any = [...mustHave, ...(phrases.length === 0 && looseAny.length > 0 ? [`(${looseAny.join(' OR ')})`] : [])]
  const all = [...mustHave, ...terms.slice(0, maxTerms).map(expression)]
  return {
    any: any.length > 0 ? any.join(' AND ') : null,
    all: all.length > any.length || terms.length > 1 ? all.join(' AND ') : null,
    newestOnly: Math.min(...phrases.map(({ entries }) => entries), terms[0]?.entries ?? Infinity) > mostForOneWord,
    leftOut,
  }
}

/** Light words count only where there are no others. */
function preferred(words: Word[], hasPhrases: boolean): Word[] {
  const heavy = words.filter(({ text }) => !isLight(text))
  return heavy.length > 0 || hasPhrases ? heavy : words
}

function unique(words: Word[]): Word[] {
  return [...new Map(words.map((word) => [word.tokens.join(' '), word])).values()]
}

/** The word that may still be being typed: what ends the text, with nothing after it. */
function lastWord(text: string): string | null {
  return /[\p{L}\p{N}\p{M}\p{Co}]+$/u.exec(text.normalize('NFKC').trimEnd())?.[0] ?? null
}

function expression({ text, isPrefix }: Term): string {
  return isPrefix ? `(${quoted(text)} OR ${quoted(text)} *)` : quoted(text)
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`
}

function ends(text: string): string {
  if (text.length <= maxCharacters) return text
  return `${text.slice(0, maxCharacters / 2)} ${text.slice(-maxCharacters / 2)}`
}
