import { keptText } from '../kept-text.ts'
import { englishSelf } from './english-self.ts'
import { englishWorld } from './english-world.ts'
import { type Fact, type Found, fact, keyOf, keyOfAny, maxFacts } from './fact.ts'
import { germanRules } from './german.ts'
import { decisionIn, goalIn, toRemember } from './intents.ts'
import type { Heard } from './rule.ts'
import { clausesOf, statementsOf } from './statements.ts'

/*
 * Finds by rules what somebody tells of himself: well in English, the commonest sentences in German. Every other language
 * is left to a language model, and so is all that takes more than one clause to understand. A rule must match a whole
 * clause: what is missed is still found in what was said, and what is wrongly known misleads for years.
 */

const rules = [...englishSelf, ...englishWorld, ...germanRules]
/** Nothing that is kept from others is a fact about somebody. */
const secret =
  /\*\*\*|\b(?:pass(?:word|phrase|code)|passwort|kennwort|api[ _-]?key|secret|pin|cvv|token|private key|seed phrase)\b/iu
/** Goals, decisions and notes of one message. */
const maxIntents = 8
/** Words of a sentence beside the value that it tells: "my favourite kind of music is". */
const maxFrameWords = 6

export function factsByRules(text: string, at: string): Found {
  const found: Found = { facts: [], people: [], goals: [], decisions: [], notes: [] }
  for (const { sentence, clauses } of statementsOf(keptText(text))) {
    const note = toRemember(sentence)
    if (note !== null && !secret.test(note)) {
      const heard = clausesOf(note).map((clause) => hear(clause, at))
      for (const { facts = [], people = [] } of heard) {
        found.facts.push(...facts)
        found.people.push(...people)
      }
      if (!isWholeIn(note, heard)) found.facts.push(...noteOf(note))
      found.notes.push(note)
      continue
    }
    for (const clause of clauses) {
      if (secret.test(clause)) continue
      const { facts = [], people = [] } = hear(clause, at)
      found.facts.push(...facts)
      found.people.push(...people)
      const decision = decisionIn(clause)
      const goal = goalIn(clause)
      if (decision !== null) {
        found.decisions.push(decision)
        found.facts.push(...decisionOf(decision))
      } else if (goal !== null) found.goals.push(goal)
    }
  }
  return {
    facts: lastOfEach(found.facts).slice(0, maxFacts),
    people: found.people.slice(0, maxIntents),
    goals: found.goals.slice(0, maxIntents),
    decisions: found.decisions.slice(0, maxIntents),
    notes: found.notes.slice(0, maxIntents),
  }
}

/** Whether facts say all of it, so that it need not be kept as a note too. */
function isWholeIn(note: string, heard: readonly Heard[]): boolean {
  const [only, ...others] = heard
  const said = only?.facts?.map(({ value }) => value ?? '').join(' ') ?? ''
  return others.length === 0 && said !== '' && wordCount(note) <= wordCount(said) + maxFrameWords
}

function wordCount(text: string): number {
  return text.split(/\s+/).length
}

/** What a note says: the whole of it, unless a fact does, and the facts in it. */
export function factsOfNote(text: string, at: string): Fact[] {
  const said = toRemember(text) ?? text
  const heard = statementsOf(said)
    .flatMap(({ clauses }) => clauses)
    .filter((clause) => !secret.test(clause))
    .map((clause) => hear(clause, at))
  const facts = lastOfEach(heard.flatMap(({ facts = [] }) => facts)).slice(0, maxFacts)
  return isWholeIn(said, heard) ? facts : [...noteOf(said), ...facts]
}

export function noteOf(text: string): Fact[] {
  return fact(
    { category: 'note', key: keyOfAny(text), name: 'to be remembered', confidence: 0.95, importance: 8 },
    text,
  )
}

function decisionOf(text: string): Fact[] {
  return fact({ category: 'decision', key: keyOf(text), name: 'decided', importance: 8 }, text)
}

function hear(clause: string, at: string): Heard {
  for (const { shape, hear: listen } of rules) {
    const match = shape.exec(clause)
    const heard = match && listen(match.groups ?? {}, at, clause)
    if (heard) return Array.isArray(heard) ? { facts: heard } : heard
  }
  return {}
}

/** Said twice in one message, the last word counts. */
export function lastOfEach(facts: readonly Fact[]): Fact[] {
  return [...new Map(facts.map((one) => [`${one.category}\n${one.key}\n${one.retracts}`, one])).values()]
}
