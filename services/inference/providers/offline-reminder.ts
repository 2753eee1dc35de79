import { parse } from 'chrono-node/en'

const quoted = /^"([^"]+)"\s+([\s\S]+)$/
/** What makes a time one that comes again stands before it, or alone. */
const recurring = /(?:^|\s)(?:(?:every|each)(?:\s+[a-z]+)?|daily)\s*$/i
const recurringAlone = /^(?:every|each)\s+[a-z]+\b/i
/** Who says only when wants to be told that it is time. */
const nothingSaid = 'it is time.'
const connective = /^(?:to|that|about|of)\s+/i

/** A reminder in people's words: its time, at the beginning, at the end or in between, and the rest. */
export function splitReminder(words: string): { when: string; text: string } | undefined {
  const [, when, said] = quoted.exec(words) ?? []
  if (when !== undefined && said !== undefined) return { when, text: said }
  const found = timeIn(words)
  if (!found) return undefined
  const rest = `${words.slice(0, found.start).trim()} ${words.slice(found.end).trim()}`.trim()
  const text = rest.replace(connective, '').trim()
  return { when: words.slice(found.start, found.end).trim(), text: text === '' ? nothingSaid : text }
}

/** Where in the words the time stands: one at their beginning or end is meant rather than one that is spoken of. */
function timeIn(words: string): { start: number; end: number } | undefined {
  const times = parse(words, new Date(), { forwardDate: true }).map(({ index, text }) => {
    const before = recurring.exec(words.slice(0, index))
    return { start: before ? before.index : index, end: index + text.length }
  })
  const alone = recurringAlone.exec(words)
  const atBeginning = times.find(({ start }) => start === 0)
  if (atBeginning) return atBeginning
  if (alone) return { start: 0, end: alone[0].length }
  return times.find(({ end }) => /^\W*$/.test(words.slice(end))) ?? times[0]
}
