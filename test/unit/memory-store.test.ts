import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type ReadableDb, sql } from '#kernel/store/database.ts'
import { applyMemoryChanges, findMemory, insertMemory, listSuperseded, loadMemory } from '#kernel/store/memories.ts'
import { findNaming, findOfSession, withHistory } from '#kernel/store/memory-forgetting.ts'
import {
  countMemories,
  listEpisodic,
  listProcedural,
  listRelationships,
  listSemantic,
  listSemanticCategories,
  listSessionWorking,
  listWorking,
} from '#kernel/store/memory-lists.ts'
import { exportMemories, importMemory } from '#kernel/store/memory-transfer.ts'
import type { Store } from '#kernel/store/store.ts'
import { newId } from '#sdk/ids.ts'
import type { MemoryChanges, NewMemory } from '#sdk/services/memory.ts'
import { newMemory } from '../support/new-memory.ts'
import { planOf } from '../support/query-plan.ts'
import { temporaryStore } from '../support/temp-store.ts'

const nothing: MemoryChanges = { add: [], update: [], supersede: [], drop: [], remove: [] }
const origin = { agent_id: 'keel', scope_key: 'agent', session_id: 's1', turn_id: null }
const window = { limit: 10, offset: 0 }

function memory(more: Partial<NewMemory> = {}): NewMemory {
  return newMemory({ tier: 'semantic', category: 'preference', content: 'likes tea', confidence: 0.8, ...more })
}

function keep(store: Store, more: Partial<NewMemory>, from: Partial<typeof origin & { at: string }> = {}): string {
  return insertMemory(store.write, { ...origin, ...from }, memory(more)).id
}

const texts = ({ entries }: { entries: { content: string }[] }) => entries.map(({ content }) => content)

test('changes are applied as a whole or not at all', () => {
  const { store } = temporaryStore()
  const old = keep(store, { key: 'drink', content: 'likes tea' })
  const by = memory({ key: 'drink', content: 'likes coffee' })
  const bad = {
    ...nothing,
    supersede: [{ id: old, by: by.id, reason: 'said otherwise' }],
    add: [by, memory({ content: ' ' })],
  }
  expect(() => applyMemoryChanges(store.write, origin, bad)).toThrow('content must not be empty')
  expect([findMemory(store.read, old)?.state, findMemory(store.read, by.id)]).toEqual(['active', undefined])
  const made = applyMemoryChanges(store.write, origin, { ...bad, add: [by] })
  expect(made).toMatchObject([
    { id: old, op: 'update', retired: true, textChanged: false },
    { id: by.id, op: 'insert', retired: false, textChanged: true },
  ])
  expect(listSuperseded(store.read, by.id)).toMatchObject([{ id: old, state_reason: 'said otherwise' }])
})

test('secrets do not get in, and what is too long is refused', () => {
  const { store } = temporaryStore()
  const id = keep(store, { content: 'the key is sk-abcdefgh12345678' })
  expect(loadMemory(store.read, id).content).toBe('the key is sk-***')
  expect(() => keep(store, { content: 'x'.repeat(8_193) })).toThrow('content exceeds max length (8192)')
})

test('one active value for each key, of each owner', () => {
  const { store } = temporaryStore()
  const first = keep(store, { key: 'drink', content: 'likes tea' })
  const again = keep(store, { key: 'drink', content: 'likes green tea' })
  expect(again).toBe(first)
  expect(loadMemory(store.read, first)).toMatchObject({ content: 'likes green tea', mentions: 2 })
  const others = keep(store, { key: 'drink', content: 'likes water' }, { scope_key: 'peer:signal:1' })
  expect(others).not.toBe(first)
})

test('each tier is listed in its order, active entries alone, page by page', () => {
  const { store } = temporaryStore()
  const at = (n: number) => ({ at: `2025-01-0${n}T00:00:00.000Z` })
  keep(store, { tier: 'working', category: 'goal', content: 'old goal', importance: 8 }, at(1))
  keep(store, { tier: 'working', category: 'goal', content: 'new goal', importance: 8 }, at(2))
  keep(store, { tier: 'working', category: 'note', content: 'a note', importance: 3 }, at(3))
  keep(store, { tier: 'working', category: 'note', content: 'elsewhere', importance: 9 }, { session_id: 's2' })
  const dropped = keep(store, { tier: 'working', category: 'note', content: 'gone', importance: 10 })
  applyMemoryChanges(store.write, origin, { ...nothing, drop: [{ id: dropped, reason: 'no room' }] })
  expect(texts(listWorking(store.read, window))).toEqual(['elsewhere', 'new goal', 'old goal', 'a note'])
  expect(listWorking(store.read, { limit: 2, offset: 1 })).toMatchObject({
    total: 4,
    entries: [{ content: 'new goal', session_id: 's1', entry_type: 'goal' }, { content: 'old goal' }],
  })
  const ofSession = (include_dropped: boolean) =>
    listSessionWorking(store.read, { ...window, session_id: 's1', include_dropped })
  expect(texts(ofSession(false))).toEqual(['new goal', 'old goal', 'a note'])
  expect(ofSession(true)).toMatchObject({
    total: 4,
    entries: [{ content: 'gone', state: 'dropped', state_reason: 'no room' }, {}, {}, {}],
  })
  keep(store, { tier: 'episodic', category: 'tool_use', content: 'ran a tool', importance: 7 })
  keep(store, { tier: 'episodic', category: 'financial', content: 'paid', importance: 8 }, { session_id: 's2' })
  expect(texts(listEpisodic(store.read, window))).toEqual(['paid', 'ran a tool'])
  expect(texts(listEpisodic(store.read, { ...window, classification: 'tool_use' }))).toEqual(['ran a tool'])
  expect(texts(listEpisodic(store.read, { ...window, session_id: 's2' }))).toEqual(['paid'])
  keep(store, { category: 'b', key: 'unsure', content: 'unsure', confidence: 0.5 })
  keep(store, { category: 'b', key: 'sure', content: 'sure', confidence: 0.9 })
  keep(store, { category: 'a', key: 'surest', content: 'surest', confidence: 1 })
  const values = (category?: string) =>
    listSemantic(store.read, { ...window, category }).entries.map(({ value }) => value)
  expect([values(), values('b'), values('nobody')]).toEqual([['surest', 'sure', 'unsure'], ['sure', 'unsure'], []])
  expect(listSemanticCategories(store.read)).toEqual([
    { category: 'b', count: 2 },
    { category: 'a', count: 1 },
  ])
  keep(store, { tier: 'procedural', category: 'tool', key: 'bash', content: 'bash', successes: 1, failures: 3 })
  keep(store, { tier: 'procedural', category: 'tool', key: 'echo', content: 'echo', successes: 9 })
  expect(listProcedural(store.read, window).entries).toMatchObject([
    { name: 'echo', success_count: 9, failure_count: 0 },
    { name: 'bash', success_count: 1, failure_count: 3 },
  ])
  keep(store, {
    tier: 'relationship',
    category: 'person',
    key: 'ann',
    name: 'Ann',
    content: 'a friend',
    mentions: 4,
    confidence: 0.6,
  })
  expect(listRelationships(store.read, window).entries).toMatchObject([
    { entity_id: 'ann', entity_name: 'Ann', trust_score: 0.6, interaction_count: 4, interaction_summary: 'a friend' },
  ])
  expect(countMemories(store.read, null)).toMatchObject({
    working: { active: 4, superseded: 0, dropped: 1 },
    semantic: { active: 3 },
    relationship: { active: 1 },
  })
  expect(countMemories(store.read, { agent_id: 'keel', scope_key: 'nobody' }).working.active).toBe(0)
})

test('what is hot goes by its index, and sorts nothing', () => {
  const { store } = temporaryStore()
  expect(planOf(store, (db) => listWorking(db, window))).toContain('memories_by_importance (tier=? AND state=?)')
  expect(planOf(store, (db) => listEpisodic(db, window))).toContain('memories_by_importance (tier=? AND state=?)')
  expect(planOf(store, (db) => listSemantic(db, window))).toContain('memories_best_known')
  expect(planOf(store, (db) => listSemantic(db, { ...window, category: 'a' }))).toContain(
    'memories_by_confidence (tier=? AND state=? AND category=?)',
  )
  expect(planOf(store, listSemanticCategories, { sorts: true })).toContain('COVERING INDEX memories_by_confidence')
  const ofSession = { ...window, session_id: 's1' }
  for (const list of [
    (db: ReadableDb) => listSessionWorking(db, { ...ofSession, include_dropped: true }),
    (db: ReadableDb) => listEpisodic(db, ofSession),
  ])
    expect(planOf(store, list, { sorts: true })).toContain('memories_by_session (session_id=?)')
  expect(planOf(store, (db) => countMemories(db, null))).toContain('COVERING INDEX memories_by_importance')
  expect(planOf(store, (db) => exportMemories(db, { after: 0, limit: 1 }))).toContain('INTEGER PRIMARY KEY')
  expect(planOf(store, (db) => listSuperseded(db, 'x'), { sorts: true })).toContain('memories_superseded')
  expect(planOf(store, (db) => findOfSession(db, 's1'))).toContain('memories_by_session (session_id=?)')
  expect(planOf(store, (db) => withHistory(db, 'x'))).toContain('memories_superseded')
})

test('an export has everything, page by page, and an import of it is the same', () => {
  const { store } = temporaryStore()
  const old = keep(store, { key: 'drink', content: 'likes tea' })
  const by = memory({ key: 'drink', content: 'likes coffee' })
  applyMemoryChanges(store.write, origin, { ...nothing, supersede: [{ id: old, by: by.id, reason: 'new' }], add: [by] })
  keep(store, { tier: 'episodic', content: '東京に住んでいる', source: 'stranger', trusted: false })
  const pages: ReturnType<typeof exportMemories>[] = []
  for (let after: number | null = 0; after !== null; after = pages.at(-1)?.next ?? null)
    pages.push(exportMemories(store.read, { after, limit: 2 }))
  expect(pages.map(({ lines }) => lines.length)).toEqual([2, 1])
  const lines = pages.flatMap((page) => page.lines)
  const { store: other } = temporaryStore()
  for (const line of lines) expect(importMemory(other.write, line)).toMatchObject({ op: 'insert' })
  for (const line of lines) expect(importMemory(other.write, line)).toBeUndefined()
  expect(exportMemories(other.read, { after: 0, limit: 10 })).toEqual({ lines, next: null })
  expect(exportMemories(other.read, { after: 0, limit: 10, tier: 'episodic' }).lines).toHaveLength(1)
  // Another active value of a key does not take the place of the one that is there.
  const [first] = lines
  if (!first) throw new Error('There is no line')
  expect(importMemory(other.write, { ...first, id: newId(), state: 'active' })).toBeUndefined()
  expect(findNaming(other.read, '住んで').ids).toHaveLength(1)
})

test('a page of an export ends where it has enough bytes', () => {
  const { store } = temporaryStore()
  for (let n = 0; n < 600; n++) keep(store, { content: `${n} ${'x'.repeat(8_000)}` })
  const { lines, next } = exportMemories(store.read, { after: 0, limit: 2_000 })
  expect(lines.length).toBeGreaterThan(500)
  expect(lines.length).toBeLessThan(600)
  expect(exportMemories(store.read, { after: next ?? 0, limit: 2_000 })).toMatchObject({ next: null })
})

test.each([
  ['Ann', ['met Ann Smith', 'about ann', 'under her key', 'under her name']],
  ['Ann Smith', ['met Ann Smith']],
  ['smith ann', []],
  ['" OR content : a*', []],
  ['naïve', ['a naive idea']],
  ['preference', []],
  ['北京', ['他住在北京市']],
  ['!!!', ['wow!!!']],
])('who forgets "%s" means these', (subject, expected) => {
  const { store } = temporaryStore()
  for (const content of ['met Ann Smith', 'about ann', 'the annual report', 'a naive idea', '他住在北京市', 'wow!!!'])
    keep(store, { content })
  keep(store, { content: 'under her key', key: 'friend_ann' })
  keep(store, { content: 'under her name', name: 'Ann' })
  expect(findNaming(store.read, subject).shown.map(({ content }) => content)).toEqual(expected)
})

test('an entry is forgotten with the earlier values whose place it took', () => {
  const { store } = temporaryStore()
  const ids = ['tea', 'coffee', 'water'].map((drink, n, all) => {
    const id = keep(store, { key: 'drink', content: drink, id: `drink-${n}` })
    if (n < all.length - 1)
      applyMemoryChanges(store.write, origin, { ...nothing, supersede: [{ id, by: `drink-${n + 1}`, reason: 'new' }] })
    return id
  })
  expect(withHistory(store.read, 'drink-2').sort()).toEqual(ids)
  expect(withHistory(store.read, 'drink-1').sort()).toEqual(ids.slice(0, 2))
})

test('what is removed leaves no byte in the file', () => {
  const { store, path } = temporaryStore()
  const word = 'Zanzibarquest'
  const big = keep(store, { content: `${word} ${'x'.repeat(8_000)}` })
  const small = keep(store, { content: `${word} again`, key: `key_${word}`, name: word })
  for (let n = 0; n < 500; n++) keep(store, { content: `filler ${n} ${'y'.repeat(n)}` })
  store.write.pragma('wal_checkpoint(TRUNCATE)')
  expect(readFileSync(path).includes(word)).toBe(true)
  applyMemoryChanges(store.write, origin, { ...nothing, remove: [big, small] })
  store.write.pragma('wal_checkpoint(TRUNCATE)')
  for (const file of [path, `${path}-wal`]) {
    const bytes = readFileSync(file)
    expect([bytes.includes(word), bytes.includes(word.toLowerCase()), bytes.includes('zanzibarquest')]).toEqual([
      false,
      false,
      false,
    ])
  }
  expect(sql(store.read, `SELECT count(*) AS n FROM memory_fts WHERE memory_fts MATCH ?`).get(word)).toEqual({ n: 0 })
})
