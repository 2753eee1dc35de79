import { newId } from '#sdk/ids.ts'
import { type MemoryChanges, memoryBounds, type NewMemory } from '#sdk/services/memory.ts'
import { keptText } from './kept-text.ts'
import { beginningOf } from './sentences.ts'

export function noChanges(): MemoryChanges {
  return { add: [], update: [], supersede: [], drop: [], remove: [] }
}

export function together(parts: readonly Partial<MemoryChanges>[]): MemoryChanges {
  const all = noChanges()
  for (const { add = [], update = [], supersede = [], drop = [], remove = [] } of parts) {
    all.add.push(...add)
    all.update.push(...update)
    all.supersede.push(...supersede)
    all.drop.push(...drop)
    all.remove.push(...remove)
  }
  return all
}

type Given = Pick<NewMemory, 'tier' | 'category' | 'content' | 'source' | 'trusted'> & Partial<NewMemory>

/** A new entry, every text of it fit to be kept and within its bound; nothing of what has no text left. */
export function entry(given: Given): NewMemory[] {
  const content = beginningOf(keptText(given.content), memoryBounds.contentBytes).trim()
  const category = short(given.category)
  if (content === '' || category === '') return []
  return [
    {
      id: newId(),
      importance: 5,
      confidence: 1,
      mentions: 1,
      successes: 0,
      failures: 0,
      message_id: null,
      ...given,
      key: given.key == null ? null : short(given.key) || null,
      name: given.name == null ? null : short(given.name) || null,
      category,
      content,
    },
  ]
}

/** On one line. */
function short(text: string): string {
  return beginningOf(keptText(text).replaceAll(/\s+/g, ' '), memoryBounds.keyBytes).trim()
}
