import { applyMemoryChanges, loadMemory, type MemoryRow } from '#kernel/store/memories.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import { memoryBounds, type memoryService } from '#sdk/services/memory.ts'
import type { MemorySource } from '#sdk/services/memory-entry.ts'
import type { Announce } from './announce.ts'
import type { MemoryWork } from './memory-work.ts'

/** Something to be kept because somebody said so, and where that was. */
export interface NoteToKeep {
  agent_id: string
  scope_key: string
  session_id: string | null
  turn_id: string | null
  text: string
  category: string | null
  key: string | null
  source: MemorySource
  trusted: boolean
}

export interface NoteDeps {
  store: Store
  work: MemoryWork
  service: () => Pick<Client<typeof memoryService>, 'note'>
  announce: Announce
}

/** Keeps it, and returns the entry that holds it now: a new one, or one that said the same before. */
export function keepNote(
  { session_id, turn_id, ...note }: NoteToKeep,
  { store, work, service, announce }: NoteDeps,
): Promise<MemoryRow> {
  return work.run(async (signal) => {
    const changes = await service().note(note, { signal })
    if (changes.add.length > memoryBounds.additions)
      throw new RuntimeError('invalid', `a note may add ${memoryBounds.additions} memories, not ${changes.add.length}`)
    const { agent_id, scope_key } = note
    const made = applyMemoryChanges(store.write, { agent_id, scope_key, session_id, turn_id }, changes)
    announce(made)
    const kept = made.find(({ retired, op }) => !retired && op !== 'delete')
    if (!kept) throw new RuntimeError('unprocessable', 'nothing of this text can be remembered')
    return loadMemory(store.read, kept.id)
  })
}
