import { createHash } from 'node:crypto'
import { plainForm } from '../sameness.ts'

/** One thing that is so, small enough to be superseded by itself. */
export interface Fact {
  category: string
  /** One value for each: what is said next about it takes its place. */
  key: string
  /** As people look for it. */
  name: string
  /** null in a retraction of whatever it was. */
  value: string | null
  /** It is not so any more: an active value that is the same is taken back, and nothing is added. */
  retracts: boolean
  confidence: number
  importance: number
}

/** Somebody whom the user names, and who they are to the user. */
export interface Person {
  relation: string
  name: string
}

export interface Found {
  facts: Fact[]
  people: Person[]
  /** What the user wants, as said. */
  goals: string[]
  decisions: string[]
  /** What the user asked to be kept in mind. */
  notes: string[]
}

/** Of one message. */
export const maxFacts = 24
const maxKeyWords = 8

/** What a thing is kept under: its words, without articles and possessives; of many words the first and a digest. */
export function keyOf(text: string): string {
  const words = plainForm(text)
    .replaceAll("'", '')
    .split(' ')
    .filter(
      (word) => !/^(?:|a|an|the|my|our|some|of|der|die|das|den|dem|ein|eine|einen|einem|mein|meine|meinen)$/.test(word),
    )
  const head = words.slice(0, maxKeyWords).join('_').slice(0, 100)
  const whole = words.join('_')
  return head === whole ? head : `${head}_${digest(whole)}`
}

/** Also of what has no words, such as pictures. */
export function keyOfAny(text: string): string {
  return keyOf(text) || digest(text)
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

/** What one likes best of its kind, by one spelling. */
export function favouriteOf(kind: string): string {
  return `favourite ${kind.replace(/colour/i, 'color')}`
}

type Told = Pick<Fact, 'category' | 'key' | 'name'> & Partial<Fact>

export function fact(told: Told, value: string): Fact[] {
  const clean = value.trim()
  return clean === '' || told.key === '' ? [] : [{ ...defaults, ...told, value: clean }]
}

export function retraction(told: Told, value: string | null): Fact[] {
  return told.key === '' ? [] : [{ ...defaults, ...told, value, retracts: true }]
}

const defaults = { retracts: false, confidence: 0.85, importance: 6 }

/** What somebody feels about a thing: kept under the thing, so that the opposite contradicts it. */
export function feeling(verb: 'likes' | 'dislikes' | 'prefers', thing: string): Fact[] {
  const key = keyOf(thing.replace(/^to /i, '').replace(/ (?:over|to|instead of|rather than) .*$/i, ''))
  return fact({ category: 'preference', key, name: `${verb} ${thing}` }, `${verb} ${thing}`)
}
