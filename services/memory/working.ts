import { type Exchange, type MemoryChanges, memoryBounds, type NewMemory } from '#sdk/services/memory.ts'
import { entry } from './changes.ts'
import { isTrivial } from './classify.ts'
import { hasFailed } from './experience.ts'
import type { Found } from './facts/fact.ts'
import { type Reading, sql } from './reading.ts'
import { plainForm } from './sameness.ts'
import { beginningOf } from './sentences.ts'
import { isAnswered, voiceOf, voiceOfAnswer } from './trust.ts'

const importances = { decision: 8, goal: 7, note: 6, observation: 4, turn_summary: 3 } as const
const summaryBytes = 200
const observationBytes = 240
/** Of one turn. */
const maxObservations = 3

interface Row {
  id: string
  category: string
  content: string
  importance: number
  mentions: number
  trusted: 0 | 1
}

/** What a session has in mind after a turn; at its bound the least important and oldest falls out. */
export function workingChanges(
  exchange: Exchange,
  found: Pick<Found, 'goals' | 'decisions' | 'notes'>,
  { db }: { db: Reading },
): Partial<MemoryChanges> {
  const rows = sql(
    db,
    `SELECT id, category, content, importance, mentions, trusted FROM memories
     WHERE session_id = ? AND tier = 'working' AND state = 'active' ORDER BY seq`,
  ).all(exchange.session_id) as Row[]
  const known = new Map(rows.map((row) => [formOf(row.category, row.content, row.trusted === 1), row]))
  const add: NewMemory[] = []
  const update: MemoryChanges['update'] = []
  for (const made of inMind(exchange, found)) {
    const form = formOf(made.category, made.content, made.trusted)
    const row = known.get(form)
    if (row) update.push({ id: row.id, mentions: row.mentions + 1 })
    else if (!add.some(({ category, content, trusted }) => formOf(category, content, trusted) === form)) add.push(made)
  }
  return { add, update, drop: fallingOut(rows, add.length, new Set(update.map(({ id }) => id))) }
}

function inMind(
  exchange: Exchange,
  { goals, decisions, notes }: Pick<Found, 'goals' | 'decisions' | 'notes'>,
): NewMemory[] {
  const asked = { ...voiceOf(exchange.authority), message_id: exchange.question.message_id }
  const answered = { ...voiceOfAnswer(exchange), message_id: exchange.answer.message_id }
  const kept = (category: keyof typeof importances, content: string, voice: typeof asked | typeof answered) =>
    entry({ tier: 'working', category, content, importance: importances[category], ...voice })
  const summary =
    isAnswered(exchange.status) && !isTrivial(exchange.answer.text)
      ? beginningOf(exchange.answer.text.trim(), summaryBytes)
      : ''
  return [
    ...goals.flatMap((goal) => kept('goal', goal, asked)),
    ...decisions.flatMap((decision) => kept('decision', decision, asked)),
    ...notes.flatMap((note) => kept('note', note, asked)),
    ...exchange.tools
      .filter(hasFailed)
      .slice(-maxObservations)
      .flatMap(({ name, output }) =>
        entry({
          tier: 'working',
          category: 'observation',
          content: beginningOf(`${name} failed: ${output.replaceAll(/\s+/g, ' ').trim()}`, observationBytes),
          importance: importances.observation,
          source: 'tool',
          trusted: false,
          message_id: exchange.answer.message_id,
        }),
      ),
    ...kept('turn_summary', summary, answered),
  ]
}

function formOf(category: string, content: string, trusted: boolean): string {
  return `${category} ${trusted} ${plainForm(content)}`
}

function fallingOut(rows: readonly Row[], coming: number, renewed: ReadonlySet<string>): MemoryChanges['drop'] {
  const bound = memoryBounds.entries.working
  const excess = rows.length + coming - bound
  if (excess <= 0) return []
  return rows
    .filter(({ id }) => !renewed.has(id))
    .map((row, age) => ({ ...row, age }))
    .sort((one, other) => one.importance - other.importance || one.age - other.age)
    .slice(0, excess)
    .map(({ id, importance }) => ({
      id,
      reason: `the session's working memory is full (${bound} entries), and this had importance ${importance}`,
    }))
}
