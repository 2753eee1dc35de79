import { type ModelMessage, textOf } from '#sdk/messages.ts'
import { searchTerms } from '#sdk/search-terms.ts'

const maxShown = 5
/** Words that begin the same count as one, as `drink` and `drinking`; so do a word and its plural. */
const stemChars = 4
const minWordChars = 3
/** Words that questions are made of, and that no memory is found by. */
const questionWords = new Set(
  'the and are was were you your what when where which who whom whose why how does did do has have had can could will would should about with from for that this there tell know remember please'.split(
    ' ',
  ),
)
const blockStart = /^\[untrusted data \w+ from memory\]\n/
const memoryLine = /^- (?<label>[^:]*): (?<content>.*)$/

interface Remembered {
  label: string
  content: string
}

/**
 * What the agent was reminded of that shares words with the question, best first, as the agent's own words before the
 * question have it. What only repeats the question's words answers nothing.
 */
export function rememberedFor(question: ModelMessage, messages: readonly ModelMessage[]): string[] {
  const before = messages[messages.indexOf(question) - 1]
  const block = before?.role === 'user' ? textOf(before.content) : ''
  if (!blockStart.test(block)) return []
  const asked = stemsOf(textOf(question.content))
  return linesOf(block)
    .map((line) => ({ line, stems: stemsOf(`${line.label} ${line.content}`), said: stemsOf(line.content) }))
    .filter(({ said }) => !said.isSubsetOf(asked))
    .map(({ line, stems }) => ({ line, shared: stems.intersection(asked).size }))
    .filter(({ shared }) => shared > 0)
    .toSorted((left, right) => right.shared - left.shared)
    .slice(0, maxShown)
    .map(({ line: { label, content } }) => `- ${content} (${label})`)
}

function linesOf(block: string): Remembered[] {
  return block.split('\n').flatMap((line) => {
    const { label, content } = memoryLine.exec(line)?.groups ?? {}
    return label && content ? [{ label, content }] : []
  })
}

function stemsOf(text: string): Set<string> {
  const words =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  const spaced = words.filter((word) => word.length >= minWordChars && !questionWords.has(word))
  const unspaced = searchTerms(text).split(' ').filter(Boolean)
  return new Set([...spaced.map((word) => word.replace(/s$/, '').slice(0, stemChars)), ...unspaced])
}
