import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { RuntimeError } from '#sdk/errors.ts'
import { startVectorWorker } from '../../services/memory/vectors/thread.ts'
import { eventually } from '../support/daemon.ts'
import { embedded, found, memoryStore, openVectors, remember, searchFor } from '../support/retrieval-scene.ts'

const dying = fileURLToPath(new URL('../support/embed-and-die.ts', import.meta.url))

function filled(count: number) {
  const scene = memoryStore()
  for (let n = 0; n < count; n++) remember(scene.store, { content: `entry ${n} says word${n}`, session_id: `s${n}` })
  return scene
}

function countOf(scene: ReturnType<typeof memoryStore>, model: string): number {
  const row = scene.db.prepare('SELECT count(*) AS count FROM embeddings WHERE model = ?').get(model)
  return (row as { count: number }).count
}

test('the vectors’ thread is killed: words find meanwhile, and a new thread loads all of them again', async () => {
  const scene = filled(50)
  const workers: Worker[] = []
  const startWorker = (database: string) => {
    const worker = startVectorWorker(database)
    workers.push(worker)
    return worker
  }
  const { vectors } = await openVectors(scene, { startWorker })
  await embedded(vectors, 50)
  expect(await found(scene.db, vectors, 'word7', { mode: 'vector' })).toContain('entry 7 says word7')

  await workers[0]?.terminate()
  const { matches, trace } = await searchFor(scene.db, vectors, 'word7?')
  expect(matches[0]?.content).toBe('entry 7 says word7')
  expect(trace).toMatchObject({ embedding_model: null, vector_note: 'the vectors are being loaded again' })

  await eventually('a second thread with all vectors', async () => {
    const { trace } = await searchFor(scene.db, vectors, 'word7?', { mode: 'vector' })
    return trace.embedding_model !== null && trace.vector_note === null
  })
  expect(workers).toHaveLength(2)
  expect(await found(scene.db, vectors, 'word7', { mode: 'vector' })).toContain('entry 7 says word7')
})

test('rows that are no vectors are skipped, counted, logged once and made anew', async () => {
  const scene = filled(40)
  const first = await openVectors(scene)
  await embedded(first.vectors, 40)
  await first.close()
  const spoil = scene.store.write.prepare('UPDATE embeddings SET embedding = ? WHERE seq = ?')
  spoil.run(Buffer.from('short'), 3)
  spoil.run(Buffer.alloc(384 * 4), 5)
  spoil.run(Buffer.alloc(384 * 4, 0xff), 7)

  const lines: { msg: string; seqs?: number[] }[] = []
  const log = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) })
  const { vectors, reports } = await openVectors(scene, { log })
  await embedded(vectors, 40)
  await eventually('all rows are vectors', () => {
    const rows = scene.db.prepare('SELECT embedding FROM embeddings WHERE seq IN (3, 5, 7)').all()
    return (rows as { embedding: Buffer }[]).every(({ embedding }) => Math.abs(embedding.readFloatLE(0)) < 1)
  })
  expect(vectors.status()).toMatchObject({ corrupt: 3, done: 40, stalled: null })
  expect(lines.map(({ msg, seqs }) => [msg, seqs])).toEqual([['rows that are no vectors are made anew', [3, 5, 7]]])
  await eventually('it is told', () => reports.at(-1)?.corrupt === 3)
  expect(await found(scene.db, vectors, 'word6', { mode: 'vector' })).toContain('entry 6 says word6')
})

test('another model: all vectors are made anew, with progress, and a process that is killed half-way is gone on from', async () => {
  const scene = filled(200)
  const lexical = await openVectors(scene)
  await embedded(lexical.vectors, 200)
  await lexical.close()

  const child = spawnSync(process.execPath, [dying, scene.path, '3'], { encoding: 'utf8' })
  expect(child.signal, child.stderr).toBe('SIGKILL')
  expect(countOf(scene, 'mock/other')).toBe(96)
  expect(countOf(scene, 'keel/lexical-384')).toBe(104)

  const asked: string[] = []
  const { vectors, reports } = await openVectors(scene, {
    embedding_model: 'mock/other',
    async embed({ texts }) {
      asked.push(...texts)
      return { vectors: texts.map((text) => [text.length, 1, 2, 3, 4, 5, 6, 7]) }
    },
  })
  await embedded(vectors, 200)
  expect(countOf(scene, 'mock/other')).toBe(200)
  expect(asked).toHaveLength(104)
  await eventually('the end is told', () => reports.at(-1)?.done === 200)
  expect(reports.at(-1)).toMatchObject({ model: 'mock/other', dimensions: 8, total: 200, stalled: null })
})

test('settings name another model while it runs: searches go on, and go over to it', async () => {
  const scene = filled(80)
  const { vectors } = await openVectors(scene, {
    embed: async ({ texts }) => ({
      vectors: texts.map((text) => [text.length, ...Buffer.from(text.padEnd(15)).subarray(0, 15)]),
    }),
  })
  await embedded(vectors, 80)
  await vectors.configure({ embedding_model: 'mock/words' })
  expect(await found(scene.db, vectors, 'word9?')).toContain('entry 9 says word9')
  await embedded(vectors, 80)
  expect(vectors.status()).toMatchObject({ model: 'mock/words', dimensions: 16 })
  expect(countOf(scene, 'mock/words')).toBe(80)
})

test('a model that makes vectors of another length makes all of them anew', async () => {
  const scene = filled(70)
  let length = 8
  const embed = async ({ texts }: { texts: string[] }) => ({
    vectors: texts.map((text) => Array.from({ length }, (_, n) => text.length + n)),
  })
  const { vectors } = await openVectors(scene, { embedding_model: 'mock/growing', embed })
  await embedded(vectors, 70)
  length = 12
  await found(scene.db, vectors, 'anything')
  await eventually('vectors of the new length', () => {
    const row = scene.db.prepare('SELECT count(*) AS count FROM embeddings WHERE dimensions = 12').get()
    return (row as { count: number }).count === 70 && vectors.status().done === 70
  })
  expect(vectors.status().dimensions).toBe(12)
})

test('a provider that fails holds up vectors and no search; what is missing is made once it answers', async () => {
  const scene = filled(40)
  let answers = false
  const { vectors, reports } = await openVectors(scene, {
    embedding_model: 'mock/moody',
    async embed({ texts }) {
      if (!answers) throw new RuntimeError('upstream_failed', 'The provider is down')
      return { vectors: texts.map((text) => [text.length, 1]) }
    },
  })
  await eventually('it is told', () => reports.at(-1)?.stalled === 'The provider is down')
  const { matches, trace } = await searchFor(scene.db, vectors, 'word3?')
  expect(matches[0]?.content).toBe('entry 3 says word3')
  expect(trace).toMatchObject({ embedding_model: null, vector_note: 'The provider is down' })
  answers = true
  await embedded(vectors, 40)
  await eventually('it is told', () => reports.at(-1)?.done === 40 && reports.at(-1)?.stalled === null)
})

test('a text that a model refuses holds up no other', async () => {
  const scene = filled(40)
  const { vectors } = await openVectors(scene, {
    embedding_model: 'mock/strict',
    async embed({ texts }) {
      if (texts.some((text) => text.includes('word7'))) throw new RuntimeError('invalid', 'Too long')
      return { vectors: texts.map((text) => [text.length, 1]) }
    },
  })
  await eventually('all others have a vector', () => vectors.status().done === 39)
  expect(vectors.status()).toMatchObject({ total: 40, stalled: null })
})

test('it follows what is saved, changed, superseded and forgotten', async () => {
  const scene = filled(3)
  const { vectors } = await openVectors(scene)
  await embedded(vectors, 3)
  const byVector = (text: string) => found(scene.db, vectors, text, { mode: 'vector' })

  const fresh = remember(scene.store, { content: 'a walrus in the bath', session_id: 'new' })
  vectors.follow({ saved: [fresh], removed: [] })
  await embedded(vectors, 4)
  expect(await byVector('walrus')).toEqual(['a walrus in the bath'])

  scene.store.write.prepare("UPDATE memories SET content = 'an otter in the sink' WHERE seq = ?").run(fresh)
  vectors.follow({ saved: [fresh], removed: [] })
  await eventually('the new text has its vector', async () => (await byVector('otter')).length === 1)
  expect(await byVector('walrus')).toEqual([])

  scene.store.write.prepare("UPDATE memories SET state = 'superseded' WHERE seq = 1").run()
  scene.store.write.prepare('DELETE FROM memories WHERE seq = ?').run(fresh)
  vectors.follow({ saved: [1], removed: [fresh] })
  await embedded(vectors, 2)
  expect(await byVector('otter')).toEqual([])
})

test('while vectors are made searches are answered, and say that not all have been compared', async () => {
  const scene = filled(600)
  const { vectors } = await openVectors(scene)
  const { matches, trace } = await searchFor(scene.db, vectors, 'word599?')
  expect(matches[0]?.content).toBe('entry 599 says word599')
  expect(trace.vector_note).toMatch(/^\d+ of \d+ entries have been compared by vectors$/)
  await embedded(vectors, 600)
  expect((await searchFor(scene.db, vectors, 'word599?')).trace.vector_note).toBeNull()
})
