import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { EmbeddingProgress } from '#kernel/memory/embedding-progress.ts'
import { findForgettable, forgetAll, forgetEntry } from '#kernel/memory/forget.ts'
import { importLines } from '#kernel/memory/import.ts'
import { memoryTerms } from '#kernel/memory/memory-terms.ts'
import { openReadable, sql } from '#kernel/store/database.ts'
import { listCacheEntries, saveCacheEntry } from '#kernel/store/inference-state.ts'
import { insertMemory } from '#kernel/store/memories.ts'
import { exportMemories } from '#kernel/store/memory-transfer.ts'
import { timestamp } from '#sdk/ids.ts'
import { eventually } from '../support/daemon.ts'
import { endedTurn, ingestScene, newSession } from '../support/ingest-scene.ts'
import { newMemory } from '../support/new-memory.ts'
import { inferenceResult } from '../support/turn-fixtures.ts'

function scene(answer: () => Promise<null> = async () => null) {
  const base = ingestScene({ pumps: false })
  const forgotten: string[] = []
  const inference = () => ({
    forgetCache: () => {
      forgotten.push('cache')
      return answer()
    },
  })
  const keep = (content: string, session_id: string | null = null) =>
    insertMemory(
      base.store.write,
      { agent_id: 'keel', scope_key: 'agent', session_id, turn_id: null },
      newMemory({ content }),
    )
  return { ...base, inference, forgotten, keep }
}

const cached = {
  key: 'k',
  scope: 's',
  result: inferenceResult({ text: 'Ann lives in Rome' }),
  embedding: null,
  expires_at: timestamp(Date.now() + 60_000),
}

test.each([
  ['with the inference service', async () => null],
  [
    'also where the inference service is down',
    async () => {
      throw new Error('down')
    },
  ],
])('forgetting empties the cache, %s', async (_, answer) => {
  const s = scene(answer)
  saveCacheEntry(s.store.write, cached)
  const { id } = s.keep('Ann lives in Rome')
  expect(await forgetEntry(id, s)).toBe(1)
  expect([s.forgotten, listCacheEntries(s.store.read, 10)]).toEqual([['cache'], []])
  expect(s.eventsOf('memory_forgotten')).toMatchObject([{ count: 1, what: 'entry' }])
  expect(readFileSync(`${s.path}-wal`)).toHaveLength(0)
})

test('the log is cut off as soon as nobody reads in it', async () => {
  const s = scene()
  const { id } = s.keep('Ann lives in Rome')
  const reader = openReadable(s.path)
  onTestFinished(() => reader.close())
  const reading = sql(reader, 'SELECT id FROM memories UNION ALL SELECT id FROM memories').iterate()
  reading.next()
  const done = forgetEntry(id, s)
  await eventually('it is removed', () => s.remembered().length === 0)
  expect(readFileSync(`${s.path}-wal`).length).toBeGreaterThan(0)
  reading.return?.()
  await done
  expect(readFileSync(`${s.path}-wal`)).toHaveLength(0)
})

test('a session is forgotten in batches, and a turn of it that waits is never remembered', async () => {
  const s = scene()
  const session_id = newSession(s.store)
  for (let n = 0; n < 250; n++) s.keep(`event ${n}`, session_id)
  s.keep('of another', newSession(s.store, 'another'))
  endedTurn(s.store, { session_id, question: 'remember me' })
  expect(await findForgettable({ session_id }, s)).toMatchObject({ forgotten: 250 })
  expect(s.remembered()).toHaveLength(251)
  const { forgotten, entries } = await forgetAll({ session_id }, s)
  expect([forgotten, entries.length]).toEqual([250, 100])
  expect([s.remembered().map(({ content }) => content), s.waiting()]).toEqual([['of another'], []])
  // Not each of very many is told of, but how many there were is.
  expect(s.eventsOf('memory_changed').filter(({ op }) => op === 'delete')).toHaveLength(200)
  expect(s.eventsOf('memory_forgotten')).toMatchObject([{ count: 250, what: 'session' }])
})

test('a subject is forgotten also where it only waits to be remembered', async () => {
  const s = scene()
  const session_id = newSession(s.store)
  endedTurn(s.store, { session_id, question: 'I met ANN today' })
  const other = endedTurn(s.store, { session_id, question: 'I met Bob today' })
  await forgetAll({ subject: 'Ann' }, s)
  expect(s.waiting().map(({ turn_id }) => turn_id)).toEqual([other])
})

test('an import stops at the line that can not be, and tells which', async () => {
  const s = scene()
  for (let n = 0; n < 150; n++) s.keep(`event ${n}`)
  const { lines } = exportMemories(s.store.read, { after: 0, limit: 1_000 })
  const fresh = scene()
  const bad = lines.map((line, at) => (at === 120 ? { ...line, content: ' ' } : line))
  await expect(importLines(bad, fresh)).rejects.toMatchObject({
    kind: 'invalid',
    message: 'lines[120]: content must not be empty',
  })
  expect(fresh.remembered()).toHaveLength(100)
  expect(await importLines(lines, fresh)).toEqual({ imported: 50, skipped: 100 })
})

test('vectors are kept for entries that are still as they were, and refused where they are none', () => {
  const s = scene()
  const { seq, id } = s.keep('likes tea')
  const { updated_at } = sql(s.store.read, 'SELECT updated_at FROM memories WHERE id = ?').get(id) as {
    updated_at: string
  }
  const terms = memoryTerms({
    store: s.store,
    settings: () => {
      throw new Error('not asked')
    },
    inference: () => {
      throw new Error('not asked')
    },
    progress: new EmbeddingProgress(s.bus),
  })
  const vector = Buffer.from(new Float32Array([0.5, -1]).buffer).toString('base64')
  const call = { signal: new AbortController().signal, emit: async () => {} }
  const save = (rows: { seq: number; updated_at: string; vector: string }[], dimensions = 2) =>
    terms.saveEmbeddings({ model: 'm', dimensions, rows }, call)
  const row = { seq, updated_at, vector }
  expect(save([row, { ...row, seq: 99 }, { ...row, updated_at: 'before' }])).toEqual({ saved: [seq] })
  const stored = sql(s.store.read, 'SELECT embedding FROM embeddings').get() as { embedding: Buffer }
  expect([...new Float32Array(new Uint8Array(stored.embedding).buffer)]).toEqual([0.5, -1])
  expect(() => save([row], 3)).toThrow('rows[0].vector is not one of 3 dimensions')
})

test('progress is told at once, then once a second, and the last of it always', async () => {
  const s = scene()
  const progress = new EmbeddingProgress(s.bus)
  const status = (done: number) => ({ model: 'm', dimensions: 2, done, total: 9, corrupt: 0, stalled: null })
  for (let done = 0; done <= 9; done++) progress.report(status(done))
  const told = () => s.eventsOf('memory_embedding').map(({ done }) => done)
  expect(told()).toEqual([0])
  await delay(300)
  expect(told()).toEqual([0])
  await eventually('the last is told', () => told().length === 2)
  expect(told()).toEqual([0, 9])
  progress.close()
})
