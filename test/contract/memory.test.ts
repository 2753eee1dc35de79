import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memoryTiers } from '#sdk/services/memory-entry.ts'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'

const limits = '[server]\nper_actor_rate_limit_requests = 100000\nper_ip_rate_limit_requests = 100000\n'

let keel: Daemon
beforeAll(async () => {
  keel = await startDaemon({ config: limits })
}, 30_000)
afterAll(() => keel.dispose())

const memory = () => keel.client.memory
const add = (text: string, more: { category?: string; key?: string } = {}) =>
  memory().addMemory({ body: { text, ...more } })

describe('an empty memory', () => {
  const empty = { entries: [], total: 0, offset: 0 }

  test('lists nothing, and says so', async () => {
    expect(await memory().listWorking()).toEqual({ ...empty, limit: 100 })
    expect(await memory().listSessionWorking({ params: { session_id: 'nobody' } })).toEqual({ ...empty, limit: 1000 })
    expect(await memory().listEpisodic()).toEqual({ ...empty, limit: 50 })
    expect(await memory().listSemantic()).toEqual({ ...empty, limit: 100 })
    expect(await memory().listSemanticCategory({ params: { category: 'nobody' } })).toEqual({ ...empty, limit: 1000 })
    expect(await memory().listSemanticCategories()).toEqual({ categories: [] })
    expect(await memory().listProcedural()).toEqual({ ...empty, limit: 100 })
    expect(await memory().listRelationships()).toEqual({ ...empty, limit: 100 })
    expect(await memory().exportMemory()).toEqual({ lines: [], next: null })
    expect(await memory().searchMemory({ query: { q: 'anything' } })).toMatchObject({
      results: [],
      query: 'anything',
      count: 0,
    })
    const none = { active: 0, superseded: 0, dropped: 0 }
    expect(await memory().getMemoryStatus()).toMatchObject({
      entries: Object.fromEntries(memoryTiers.map((tier) => [tier, none])),
      waiting: 0,
      last_consolidation: null,
      embedding: { model: 'keel/lexical-384', total: 0 },
    })
  })

  test('consolidates, and remembers that it has', async () => {
    expect(await memory().consolidateMemory()).toMatchObject({ examined: 0, merged: 0 })
    expect((await memory().getMemoryStatus()).last_consolidation?.at).toMatch(/^\d{4}-/)
  })

  test('has nothing to forget', async () => {
    const missing = { kind: 'not_found', message: 'memory nobody not found' }
    await expect(memory().getMemory({ params: { id: 'nobody' } })).rejects.toMatchObject(missing)
    await expect(memory().deleteMemory({ params: { id: 'nobody' } })).rejects.toMatchObject(missing)
    for (const dry_run of [true, false]) {
      const body = { subject: 'nobody', dry_run }
      expect(await memory().forgetMemory({ body })).toEqual({ forgotten: 0, dry_run, entries: [] })
    }
  })
})

describe('bad input', () => {
  const errorOf = async (path: string, init?: RequestInit) => {
    const answer = await keel.fetch(path, init)
    return [answer.status, ((await answer.json()) as { error: string }).error]
  }
  const post = (path: string, body: unknown) =>
    errorOf(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

  test.each([
    ['/api/memory/search', 'missing ?q= parameter'],
    ['/api/memory/search?q=', 'missing ?q= parameter'],
    ['/api/memory/search?q=%20%09', 'missing ?q= parameter'],
    [`/api/memory/search?q=${'x'.repeat(513)}`, 'q: exceeds max length (512)'],
    [`/api/memory/search?q=${encodeURIComponent('ü'.repeat(257))}`, 'q: exceeds max length (512)'],
  ])('%s', async (path, message) => {
    const [status, error] = await errorOf(path)
    expect([status, error]).toEqual([400, message])
  })

  test('names the field', async () => {
    expect(await errorOf('/api/memory/search?q=x&tier=deep')).toEqual([400, expect.stringContaining('tier')])
    expect(await errorOf('/api/memory/working?limit=many')).toEqual([400, expect.stringContaining('limit')])
    expect(await post('/api/memory/entries', { text: ' ' })).toEqual([400, expect.stringContaining('text')])
    expect(await post('/api/memory/entries', { text: 'x'.repeat(8_193) })).toEqual([
      400,
      expect.stringContaining('text'),
    ])
    const both = { session_id: 'a', subject: 'b' }
    for (const body of [{}, both])
      expect(await post('/api/memory/forget', body)).toEqual([400, 'name either a session_id or a subject'])
    expect(await post('/api/memory/import', { lines: [] })).toEqual([400, expect.stringContaining('lines')])
  })

  test.each([
    'a" OR *',
    '"',
    '"""',
    '*',
    'AND',
    'NOT NEAR(',
    'content:secret',
    '{content} : x',
    '-x ^y + z',
    "'; DROP TABLE memories; --",
    '(((((((((',
    '\u0000',
    'a\u0000b',
    '\ud83d',
    '💥🎉',
    '東京 "住む"',
    'ا العربية',
    'x '.repeat(255),
    '"'.repeat(500),
    '%',
    '__proto__',
  ])('the query %j is answered or refused, and breaks nothing', async (q) => {
    const answer = await keel.fetch(`/api/memory/search?${new URLSearchParams({ q })}`)
    expect([200, 400]).toContain(answer.status)
    await answer.body?.cancel()
  })
})

describe('what is there', () => {
  test('can be added, looked at, found, replaced and forgotten, and each is announced', async () => {
    const follower = new EventFollower(keel)
    await follower.connect()
    const old = await add('The favourite colour is vermilion', { category: 'preference', key: 'favourite_colour' })
    expect(old).toMatchObject({
      tier: 'semantic',
      category: 'preference',
      key: 'favourite_colour',
      content: 'The favourite colour is vermilion',
      state: 'active',
      source: 'user',
      trusted: true,
      agent_id: 'keel',
      scope_key: 'agent',
    })
    const { results, count } = await memory().searchMemory({ query: { q: 'vermilion' } })
    expect([count, results[0]]).toMatchObject([
      results.length,
      {
        id: old.id,
        tier: 'semantic',
        type: 'semantic',
        category: 'preference',
        key: 'favourite_colour',
        source: 'semantic_memory',
        source_of: 'user',
        trusted: true,
      },
    ])
    expect(results[0]?.score).toBeGreaterThan(0)
    expect(results[0]?.score).toBeLessThanOrEqual(1)
    const now = await add('The favourite colour is teal', { category: 'preference', key: 'favourite_colour' })
    expect(await memory().getMemory({ params: { id: now.id } })).toMatchObject({
      content: 'The favourite colour is teal',
      superseded: [{ id: old.id, state: 'superseded', superseded_by: now.id }],
    })
    expect((await memory().searchMemory({ query: { q: 'vermilion' } })).results.map(({ id }) => id)).not.toContain(
      old.id,
    )
    expect(await memory().deleteMemory({ params: { id: now.id } })).toEqual({ id: now.id, deleted: true })
    for (const { id } of [old, now])
      await expect(memory().getMemory({ params: { id } })).rejects.toMatchObject({ kind: 'not_found' })
    expect((await memory().searchMemory({ query: { q: 'teal' } })).results).toEqual([])
    await eventually('all is announced', () => follower.events.some(({ type }) => type === 'memory_forgotten'))
    const told = follower.events.filter(({ type }) => type.startsWith('memory_'))
    const changesOf = (id: string) => told.filter((event) => event.id === id && event.type === 'memory_changed')
    expect(changesOf(old.id).map(({ op }) => op)).toEqual(['insert', 'update', 'delete'])
    expect(changesOf(now.id).map(({ op }) => op)).toEqual(['insert', 'delete'])
    expect(told.find(({ type }) => type === 'memory_updated')).toMatchObject({ id: old.id, operation: 'insert' })
    expect(told.find(({ type }) => type === 'memory_forgotten')).toMatchObject({ count: 2, what: 'entry' })
    await follower.cut()
  })

  test('is paged, counted and filtered', async () => {
    const before = await memory().listSemantic()
    for (let n = 0; n < 5; n++)
      await add(`The codename of project ${n} is quill${n}`, { category: 'paging', key: `project_${n}` })
    const query = { limit: 2, offset: 1 }
    const all = await memory().listSemanticCategory({ params: { category: 'paging' } })
    const page = await memory().listSemanticCategory({ params: { category: 'paging' }, query })
    expect(page).toEqual({ entries: all.entries.slice(1, 3), total: 5, ...query })
    expect((await memory().listSemantic({ query: { limit: 1 } })).total).toBe(before.total + 5)
    expect((await memory().listSemantic({ query: { limit: 5_000 } })).limit).toBe(1_000)
    const { categories } = await memory().listSemanticCategories()
    expect(categories).toContainEqual({ category: 'paging', count: 5 })
    const found = await memory().searchMemory({
      query: { q: 'codename', limit: 2, tier: 'semantic', category: 'paging' },
    })
    expect(found.count).toBe(2)
    expect((await memory().searchMemory({ query: { q: 'codename', tier: 'episodic' } })).count).toBe(0)
    expect((await memory().searchMemory({ query: { q: 'codename', category: 'nobody' } })).count).toBe(0)
  })

  test('leaves no byte of what was forgotten, in the file or its log', async () => {
    const word = 'Xylographicon'
    await add(`${word} is the name of the boat`)
    await add(`Where ${word} lies nobody knows`, { key: 'berth' })
    const kept = await add('A boat lies in the harbour', { key: 'harbour' })
    const dry = await memory().forgetMemory({ body: { subject: word, dry_run: true } })
    expect(dry.forgotten).toBeGreaterThanOrEqual(2)
    expect(bytesHold(keel.home, word)).toBe(true)
    expect(await memory().forgetMemory({ body: { subject: word } })).toEqual({ ...dry, dry_run: false })
    expect(bytesHold(keel.home, word)).toBe(false)
    expect(await memory().getMemory({ params: { id: kept.id } })).toMatchObject({ content: kept.content })
  })
})

test('a turn is remembered after it, its session can be forgotten, and what is deleted leaves its memories', async () => {
  const { id } = await keel.client.sessions.createSession({ body: { nickname: 'A turn' } })
  const content = 'My name is Ottoline and I live in Tbilisi'
  await keel.client.agent.sendMessage({ body: { content, session_id: id } })
  const remembered = async () => (await memory().listEpisodic({ query: { session_id: id } })).total
  const working = async () => (await memory().listSessionWorking({ params: { session_id: id } })).total
  await eventually('the turn is remembered', async () => (await remembered()) + (await working()) > 0, 10_000)
  expect((await memory().getMemoryStatus()).waiting).toBe(0)
  const found = await memory().searchMemory({ query: { q: 'Ottoline' } })
  expect(found.count).toBeGreaterThan(0)
  expect(found.results[0]).toMatchObject({ session_id: id, trusted: true })
  await keel.client.sessions.deleteSession({ params: { id } })
  const [first] = found.results
  expect(await memory().getMemory({ params: { id: first?.id ?? '' } })).toMatchObject({ session_id: id })
  const { forgotten } = await memory().forgetMemory({ body: { session_id: id } })
  expect(forgotten).toBeGreaterThan(0)
  const left = (await memory().searchMemory({ query: { q: 'Ottoline' } })).results
  expect(left.filter(({ session_id }) => session_id === id)).toEqual([])
}, 30_000)

test('an export, taken up by a Keel that knows nothing, is the same there, and twice is once', async () => {
  for (let n = 0; n < 3; n++) await add(`Fact number ${n} of the export`, { category: 'export', key: `fact_${n}` })
  await add('Fact number 0 is another now', { category: 'export', key: 'fact_0' })
  const lines = await everything(keel)
  expect(lines.length).toBeGreaterThan(3)
  const other = await startDaemon({ config: limits })
  try {
    const body = { lines }
    expect(await other.client.memory.importMemory({ body })).toEqual({ imported: lines.length, skipped: 0 })
    expect(await other.client.memory.importMemory({ body })).toEqual({ imported: 0, skipped: lines.length })
    expect(await everything(other)).toEqual(lines)
    expect((await other.client.memory.searchMemory({ query: { q: 'export' } })).count).toBeGreaterThan(0)
    const wrong = lines.map((line, at) => (at === 1 ? { ...line, id: 'new', key: null, content: ' ' } : line))
    await expect(other.client.memory.importMemory({ body: { lines: wrong } })).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(/lines\[1\].*content/),
    })
  } finally {
    await other.dispose()
  }
}, 40_000)

test('when the memory service stands still lists go on, and a search goes to the next process', async () => {
  const { services } = await keel.client.services.listServices()
  const pid = services.find(({ name }) => name === 'memory')?.pid ?? 0
  const kept = await add('The lighthouse is called Fanal', { key: 'lighthouse' })
  process.kill(pid, 'SIGSTOP')
  try {
    const search = keel.fetch('/api/memory/search?q=lighthouse')
    expect((await memory().listSemantic()).entries.map(({ id }) => id)).toContain(kept.id)
    // Answered by the process that takes the place of the one that stands still.
    expect((await search).status).toBe(200)
  } finally {
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // Ended, as it should be.
    }
  }
}, 30_000)

async function everything({ client }: Daemon) {
  const lines: Awaited<ReturnType<typeof client.memory.exportMemory>>['lines'] = []
  for (let after: number | null = 0; after !== null; ) {
    const page: Awaited<ReturnType<typeof client.memory.exportMemory>> = await client.memory.exportMemory({
      query: { after, limit: 2 },
    })
    lines.push(...page.lines)
    after = page.next
  }
  return lines
}

function bytesHold(home: string, word: string): boolean {
  return ['keel.db', 'keel.db-wal'].some((file) => {
    const bytes = readFileSync(join(home, file)).toString('latin1').toLowerCase()
    return bytes.includes(word.toLowerCase())
  })
}
