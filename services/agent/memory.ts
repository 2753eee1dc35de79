import { untrusted } from '#sdk/boundaries.ts'
import { estimateTokens } from '#sdk/messages.ts'
import type { MemoryPlan } from '#sdk/services/agent.ts'
import type { Recalled, RecalledMemory } from '#sdk/services/memory.ts'
import { messageOverhead } from './context-budget.ts'
import { memoryHeader, memoryLine, memoryPreview, sectionOf } from './memory-lines.ts'
import { isUnsafe } from './output-scan.ts'

/** What memory had to say, or why it said nothing. */
export type Recollection = Pick<Recalled, 'entries' | 'left_out'> | { unavailable: string }

/** So many entries that are not shown are named. */
const maxLeftOut = 100

interface Line {
  entry: RecalledMemory
  text: string
}

/** The block that a model is shown of what was recalled, within `room` tokens, and why the rest is not in it. */
export function planMemory(recollection: Recollection, room: number): { memory: MemoryPlan; tokens: number } {
  if ('unavailable' in recollection)
    return { memory: { text: '', entries: [], left_out: [], unavailable: recollection.unavailable }, tokens: 0 }
  const { safe, unsafe } = sorted(recollection.entries)
  const shown = whatFits(safe, room - messageOverhead, bytesOf(untrusted('memory', memoryHeader, '')))
  const { data, entries } = written(safe.filter((line) => shown.has(line)))
  // The same for the same memories, so that the same question is answered from the cache; ids are given out after what
  // they stand for was written, so that nobody can write with the code in mind.
  const place = `memory ${entries.map(({ id }) => id).join(' ')}\n${data}`
  const text = entries.length === 0 ? '' : untrusted('memory', data, place)
  const left_out = [
    ...safe.filter((line) => !shown.has(line)).map(({ entry }) => leftOut(entry, 'budget')),
    ...unsafe.map((entry) => leftOut(entry, 'unsafe')),
    ...recollection.left_out,
  ].slice(0, maxLeftOut)
  return {
    memory: { text, entries, left_out, unavailable: null },
    tokens: text === '' ? 0 : estimateTokens(text) + messageOverhead,
  }
}

/** What others have written is not put before a model again where it carries an attack. */
function sorted(entries: readonly RecalledMemory[]): { safe: Line[]; unsafe: RecalledMemory[] } {
  const safe: Line[] = []
  const unsafe: RecalledMemory[] = []
  for (const entry of entries) {
    const { content, name, key, category, trusted } = entry
    if (!trusted && isUnsafe([content, name, key, category].join('\n'))) unsafe.push(entry)
    else safe.push({ entry, text: memoryLine(entry) })
  }
  return { safe, unsafe }
}

/** The best entries first, each with its section's heading where it is the first there. */
function whatFits(lines: readonly Line[], room: number, frameBytes: number): Set<Line> {
  const shown = new Set<Line>()
  const headings = new Set<string>()
  let bytes = frameBytes
  for (const line of lines.toSorted((left, right) => right.entry.scores.total - left.entry.scores.total)) {
    const heading = sectionOf[line.entry.tier]
    const more = bytesOf(line.text) + (headings.has(heading) ? 0 : bytesOf(heading))
    if (Math.ceil((bytes + more) / 4) > room) continue
    bytes += more
    headings.add(heading)
    shown.add(line)
  }
  return shown
}

/** The sections, and what each entry adds to the tokens of the whole. */
function written(lines: readonly Line[]): { data: string; entries: MemoryPlan['entries'] } {
  let data = memoryHeader
  const entries: MemoryPlan['entries'] = []
  for (const [heading, members] of Map.groupBy(lines, ({ entry }) => sectionOf[entry.tier])) {
    data += `\n${heading}`
    for (const { entry, text } of members) {
      const before = estimateTokens(data)
      data += `\n${text}`
      const { id, tier, source, trusted, scores } = entry
      const preview = memoryPreview(entry)
      entries.push({ id, tier, tokens: estimateTokens(data) - before, preview, source, trusted, scores })
    }
  }
  return { data, entries }
}

function leftOut({ id, tier, scores }: RecalledMemory, reason: string): MemoryPlan['left_out'][number] {
  return { id, tier, score: scores.total, reason }
}

/** With the line break before it. */
function bytesOf(line: string): number {
  return Buffer.byteLength(line) + 1
}
