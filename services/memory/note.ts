import type { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { type MemoryChanges, memoryBounds, type memoryNote } from '#sdk/services/memory.ts'
import { together } from './changes.ts'
import { factsOfNote, noteOf } from './facts/by-rules.ts'
import type { Fact } from './facts/fact.ts'
import { keptText } from './kept-text.ts'
import type { Reading } from './reading.ts'
import { reconcile } from './reconcile.ts'

type Note = z.infer<typeof memoryNote>

/** What somebody asked to be kept: the whole of it first, then the facts in it. */
export function noteChanges(note: Note, { db }: { db: Reading }): MemoryChanges {
  const text = keptText(note.text)
  if (text === '') throw new RuntimeError('invalid', 'text must not be empty')
  if (Buffer.byteLength(text) > memoryBounds.contentBytes)
    throw new RuntimeError('invalid', `text exceeds max length (${memoryBounds.contentBytes})`)
  return together([reconcile(factsOf(note, text), { ...note, message_id: null }, { db })])
}

function factsOf({ category, key, source, trusted }: Note, text: string): Fact[] {
  const whole = noteOf(text).map((one) => ({ ...one, category: category ?? one.category, key: key ?? one.key }))
  // What is not trusted has a place of its own, where it can take nobody else's.
  if (!trusted) return whole.map((one) => ({ ...one, key: `${source}: ${one.key}` }))
  if (category !== null || key !== null) return whole
  return factsOfNote(text, timestamp())
}
