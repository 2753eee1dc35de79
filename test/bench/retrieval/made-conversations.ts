import { seededRandom } from '../../support/seeded-random.ts'
import type { LocomoSample } from './locomo.ts'
import { askedAbout, kin, names, smallTalk, type Topic, toldAbout, topics } from './topics.ts'

/*
 * Conversations in LoCoMo's form that are made by this file, from a seed: nobody ever said any of it. They are hard in the ways
 * in which real ones are: questions use other words than what was said, answers stand one line after what tells their topic, both
 * people talk of the same things, the same thing comes up again months later, and small talk is full of the questions' words.
 */

const sessionCount = 18
const topicsPerSession = 3
const talkBetween = 6
/** How many questions and answers, of all, say what they are about. */
const askedPlainly = 0.6
const toldPlainly = 0.6
const firstDay = Date.UTC(2023, 0, 9)

interface Turn {
  speaker: string
  dia_id: string
  text: string
}

interface Mention {
  topic: Topic
  name: string
  x: string
  y: string
  opening: string
  telling: string
}

type Random = () => number

export function makeConversations(seed: number, count: number): LocomoSample[] {
  return Array.from({ length: count }, (_, at) => makeOne(seededRandom(seed * 1_000 + at), at))
}

function makeOne(random: Random, at: number): LocomoSample {
  const pair = names[at % names.length] ?? ['Ada', 'Ben']
  const conversation: Record<string, unknown> = { speaker_a: pair[0], speaker_b: pair[1] }
  const mentions: Mention[] = []
  let day = firstDay
  for (let number = 1; number <= sessionCount; number++) {
    day += (2 + Math.floor(random() * 14)) * 86_400_000
    const session = new Session(number, pair, random)
    for (let n = 0; n < topicsPerSession; n++) {
      session.chat(1 + Math.floor(random() * talkBetween))
      mentions.push(session.bringUp(pick(topics, random), pick(pair, random)))
    }
    session.chat(2)
    conversation[`session_${number}`] = session.turns
    conversation[`session_${number}_date_time`] = dateText(day)
  }
  return { sample_id: `made-${at + 1}`, conversation, qa: questionsOf(mentions, random) }
}

class Session {
  readonly turns: Turn[] = []
  readonly #number: number
  readonly #pair: readonly string[]
  readonly #random: Random

  constructor(number: number, pair: readonly string[], random: Random) {
    this.#number = number
    this.#pair = pair
    this.#random = random
  }

  chat(lines: number): void {
    for (let n = 0; n < lines; n++) {
      const speaker = this.turns.at(-1)
        ? this.#otherThan(this.turns.at(-1)?.speaker ?? '')
        : pick(this.#pair, this.#random)
      this.#say(speaker, pick(smallTalk, this.#random))
    }
  }

  bringUp(topic: Topic, name: string): Mention {
    const slots = { thing: topic.thing, x: pick(topic.x, this.#random), y: pick(topic.y, this.#random) }
    const opening = this.#say(name, pick(topic.open, this.#random), slots)
    this.#say(this.#otherThan(name), pick(topic.ask, this.#random) + this.#maybe(askedAbout, askedPlainly), slots)
    const telling = this.#say(name, pick(topic.tell, this.#random) + this.#maybe(toldAbout, toldPlainly), slots)
    return { topic, name, ...slots, opening, telling }
  }

  #say(speaker: string, text: string, slots: Record<string, string> = {}): string {
    const dia_id = `D${this.#number}:${this.turns.length + 1}`
    const filled = fill(text, { other: this.#otherThan(speaker), kin: pick(kin, this.#random), ...slots })
    this.turns.push({ speaker, dia_id, text: filled })
    return dia_id
  }

  #maybe(text: string, share: number): string {
    return this.#random() < share ? text : ''
  }

  #otherThan(speaker: string): string {
    return this.#pair.find((name) => name !== speaker) ?? speaker
  }
}

function questionsOf(mentions: readonly Mention[], random: Random): LocomoSample['qa'] {
  const groups = Map.groupBy(mentions, ({ topic, name }) => `${name} ${topics.indexOf(topic)}`)
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (!first) return []
    const { topic, name } = first
    const every = {
      question: fill(topic.all, { name }),
      evidence: group.map(({ opening, telling }) => aboutAll(topic, opening, telling)),
      category: 1,
    }
    // Where a thing came up more than once, only a question that names it has one answer.
    const one = pick(group, random)
    const single = (texts: readonly string[]) => texts.filter((text) => group.length === 1 || /\{[xy]\}/.test(text))
    const asked = [
      ...single(topic.when).map((text) => ({ text, evidence: [one.opening], category: 2 })),
      ...single(topic.what).map((text) => ({ text, evidence: [one.telling], category: 4 })),
    ].filter(({ text }) => !/\{x\}/.test(text) || group.filter(({ x }) => x === one.x).length === 1)
    const particular = asked.map(({ text, evidence, category }) => ({
      question: fill(text, { ...one, name }),
      evidence,
      category,
    }))
    return group.length > 1 ? [...particular, every] : particular
  })
}

/** Where the openings say what is asked for, they are the evidence; else what was told. */
function aboutAll(topic: Topic, opening: string, telling: string): string {
  return topic.open.some((text) => text.includes('{x}')) ? opening : telling
}

function fill(text: string, slots: object): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, slot: string) =>
    String((slots as Record<string, unknown>)[slot] ?? whole),
  )
}

function pick<T>(list: readonly T[], random: Random): T {
  const picked = list[Math.floor(random() * list.length)]
  if (picked === undefined) throw new Error('nothing to pick from')
  return picked
}

/** As LoCoMo writes it: `1:56 pm on 8 May, 2023`. */
function dateText(day: number): string {
  const date = new Date(day)
  const month = date.toLocaleString('en', { month: 'long', timeZone: 'UTC' })
  return `7:05 pm on ${date.getUTCDate()} ${month}, ${date.getUTCFullYear()}`
}
