import { withoutMarks } from '#sdk/boundaries.ts'
import type { RecalledMemory } from '#sdk/services/memory.ts'
import type { MemorySource, MemoryTier } from '#sdk/services/memory-entry.ts'

/** More of one entry is not shown, in characters: it would take the room of ten others. */
const maxContentChars = 1_200
const maxLabelChars = 80
const previewChars = 200
/** Surer than this is said as it is. */
const sureFrom = 0.8
const dateLength = 'YYYY-MM-DD'.length

export const memoryHeader =
  '[Active Memory]\nRemembered from earlier. Each line: what it is; who it is from; when. Newer ones may have overtaken older ones.'

export const sectionOf: Record<MemoryTier, string> = {
  working: '[Working Memory]',
  episodic: '[Relevant Memories]',
  semantic: '[Relevant Memories]',
  procedural: '[Tool Experience]',
  relationship: '[Known Entities]',
}

const saidBy: Record<MemorySource, string> = {
  user: 'the user said',
  agent: 'you said',
  tool: 'from a tool or a web page',
  peer: 'from another agent',
  stranger: 'from a stranger',
  import: 'imported',
  keel: 'noted by Keel',
}

const ourselves: ReadonlySet<MemorySource> = new Set(['user', 'agent', 'keel'])

/** One entry as one line. Everything before its first colon is the runtime's word, so no content can pass for another's. */
export function memoryLine(entry: RecalledMemory): string {
  const label = [...describe(entry), originOf(entry), entry.created_at.slice(0, dateLength)].join('; ')
  return `- ${label}: ${cut(oneLine(entry.content), maxContentChars)}`
}

export function memoryPreview({ content }: RecalledMemory): string {
  return cut(oneLine(content), previewChars)
}

/** Of what others said or did also which of them it was. */
function originOf({ tier, source, name, trusted }: RecalledMemory): string {
  const speaker = tier === 'episodic' && name !== null && !ourselves.has(source) ? ` (${labelOf(name)})` : ''
  return `${saidBy[source]}${speaker}${trusted ? '' : ', not verified'}`
}

function describe(entry: RecalledMemory): string[] {
  const { tier, category, confidence, mentions, successes, failures } = entry
  const named = labelOf(entry.name ?? entry.key ?? category)
  const total = successes + failures
  switch (tier) {
    case 'procedural':
      return [named, total === 0 ? 'not tried' : `${successes} of ${total} went well (${percent(successes / total)})`]
    case 'relationship':
      return [
        `${named} (${labelOf(category)})`,
        `met ${mentions} ${mentions === 1 ? 'time' : 'times'}`,
        `trust ${percent(confidence)}`,
      ]
    case 'semantic': {
      const fact = named === labelOf(category) ? named : `${labelOf(category)}, ${named}`
      return confidence < sureFrom ? [fact, `${percent(confidence)} certain`] : [fact]
    }
    default:
      return [labelOf(category)]
  }
}

/** Names and keys were made of what others wrote as well. */
function labelOf(text: string): string {
  return cut(oneLine(text).replaceAll(/[:;]/g, ' '), maxLabelChars)
}

function oneLine(text: string): string {
  return withoutMarks(text.replaceAll(/\s+/g, ' ').trim(), '(mark removed)')
}

function cut(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars).toWellFormed()} …` : text
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
