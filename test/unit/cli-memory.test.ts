import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type FakeCall, fakeKeel, keel } from '../support/cli-run.ts'

const at = '2025-01-31T09:15:02.123Z'

const line = (id: string, content = `fact ${id}`) => ({
  id,
  tier: 'semantic',
  category: 'note',
  key: null,
  name: null,
  content,
  importance: 5,
  confidence: 1,
  mentions: 1,
  successes: 0,
  failures: 0,
  state: 'active',
  state_reason: null,
  superseded_by: null,
  agent_id: 'keel',
  scope_key: 'agent',
  session_id: null,
  turn_id: null,
  message_id: null,
  source: 'stranger',
  trusted: false,
  created_at: at,
  updated_at: at,
})

const match = {
  id: 'm1',
  tier: 'semantic',
  type: 'semantic',
  category: 'preference',
  source: 'semantic_memory',
  key: 'drink',
  content: 'likes\ngreen tea',
  score: 0.91,
  created_at: at,
  scores: { text: 0.8, vector: null, context: 0.1, recency: 1, importance: 0.5, total: 0.91 },
  source_of: 'stranger',
  trusted: false,
}
const trace = { embedding_model: null, vector_note: 'vectors rest', left_out_words: ['the'], took_ms: 1 }

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'keel-cli-memory-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test('search shows what was found, why, and what is not to be trusted', async () => {
  const { url, calls } = await fakeKeel({
    'GET /api/memory/search': { results: [match], query: 'green tea', count: 1, trace },
  })
  const words = ['memory', 'search', 'green', 'tea', '--tier', 'semantic', '-n', '3']
  const run = await keel([...words, '--url', url, '--api-key', 'k'])
  expect(calls[0]?.url).toBe('/api/memory/search?q=green+tea&limit=3&tier=semantic')
  expect(run.stdout).toMatch(/0\.91 {2}likes green tea\n.*semantic\/preference, stranger, not trusted, 2025-01-31/)
  expect(run.stdout).toContain('words 0.80, vectors –')
  expect(run.stderr).toBe('vectors rest\ntoo common to be looked for: the\n')
  const json = await keel([...words, '--url', url, '--api-key', 'k', '--json'])
  expect(JSON.parse(json.stdout)).toMatchObject({ count: 1, results: [match] })
  const wrong = await keel(['memory', 'search', 'tea', '--tier', 'deep', '--url', url, '--api-key', 'k'])
  expect([wrong.code, wrong.stderr]).toEqual([
    1,
    'The tiers are working, episodic, semantic, procedural, relationship; deep is none\n',
  ])
})

test.each([
  [
    'working',
    [],
    'GET /api/memory/working',
    { session_id: 's', entry_type: 'goal', content: 'x', importance: 8 },
    /goal +x +8\/10/,
  ],
  [
    'working',
    ['--session', 's1'],
    'GET /api/memory/working/s1',
    { session_id: 's1', entry_type: 'goal', content: 'x', importance: 8, state: 'active', state_reason: null },
    /goal +x/,
  ],
  [
    'episodic',
    [],
    'GET /api/memory/episodic',
    { classification: 'tool_use', content: 'x', importance: 7, salience: 0.7 },
    /tool_use +x +7\/10/,
  ],
  [
    'semantic',
    [],
    'GET /api/memory/semantic',
    { category: 'c', key: 'k', value: 'x', confidence: 0.5, updated_at: at },
    /c\/k +x +0\.50/,
  ],
  [
    'semantic',
    ['--category', 'c'],
    'GET /api/memory/semantic/c',
    { category: 'c', key: 'k', value: 'x', confidence: 0.5, updated_at: at },
    /c\/k +x/,
  ],
  [
    'procedural',
    [],
    'GET /api/memory/procedural',
    { category: 'tool', name: 'bash', steps: 'x', success_count: 3, failure_count: 1, updated_at: at },
    /bash +x +3\/4/,
  ],
  [
    'relationship',
    [],
    'GET /api/memory/relationship',
    {
      category: 'person',
      entity_id: 'ann',
      entity_name: 'Ann',
      trust_score: 0.6,
      interaction_summary: 'x',
      interaction_count: 4,
      last_interaction: at,
    },
    /Ann +x +0\.60, 4×/,
  ],
] as const)('list %s %j', async (tier, options, route, entry, expected) => {
  const { url } = await fakeKeel({
    [route]: { entries: [{ id: 'm1', created_at: at, ...entry }], total: 12, limit: 1, offset: 0 },
  })
  const run = await keel(['memory', 'list', tier, ...options, '-n', '1', '--url', url, '--api-key', 'k'])
  expect(run.stderr).toBe('1 of 12\n')
  expect(run.stdout).toMatch(expected)
})

test('show, add, status and consolidate', async () => {
  const { url, calls } = await fakeKeel({
    'GET /api/memory/entries/m2': {
      ...line('m2', 'likes coffee'),
      superseded: [
        { ...line('m1', 'likes tea'), state: 'superseded', state_reason: 'said otherwise', superseded_by: 'm2' },
      ],
    },
    'POST /api/memory/entries': { ...line('m3'), key: 'drink' },
    'GET /api/memory/status': {
      entries: Object.fromEntries(
        ['working', 'episodic', 'semantic', 'procedural', 'relationship'].map((tier) => [
          tier,
          { active: 3, superseded: 2, dropped: 1 },
        ]),
      ),
      waiting: 4,
      last_consolidation: null,
      embedding: null,
    },
    'POST /api/memory/consolidate': { examined: 9, merged: 2, promoted: 1, pruned: 0, dropped: 3, took_ms: 5 },
  })
  const at = (...words: string[]) => keel(['memory', ...words, '--url', url, '--api-key', 'k'])
  expect((await at('show', 'm2')).stdout).toMatch(
    /^likes coffee\n[\s\S]*source +stranger\n[\s\S]*before 2025-01-31: likes tea \(said otherwise\)/,
  )
  expect((await at('add', 'likes', 'tea', '--key', 'drink')).stdout).toBe('Remembered as m3 (semantic/note/drink).\n')
  expect(calls.at(-1)?.body).toEqual({ text: 'likes tea', key: 'drink' })
  const { stdout } = await at('status')
  expect(stdout).toMatch(/semantic +3 +2 +1\n[\s\S]*wait to be remembered: 4\nLast tidied up: never\n.*does not answer/)
  expect((await at('consolidate')).stdout).toBe('9 examined: 2 merged, 1 made facts, 0 removed, 3 dropped.\n')
})

test('forgetting shows first, and needs a yes', async () => {
  const found = { forgotten: 2, dry_run: true, entries: [{ id: 'm1', tier: 'semantic', content: 'met Ann' }] }
  const { url, calls } = await fakeKeel({
    'POST /api/memory/forget': ({ body }: FakeCall) => ({
      ...found,
      dry_run: (body as { dry_run?: boolean }).dry_run === true,
    }),
    'GET /api/memory/entries/m1': { ...line('m1'), superseded: [] },
    'DELETE /api/memory/entries/m1': { id: 'm1', deleted: true },
  })
  const at = (...words: string[]) => keel(['memory', 'forget', ...words, '--url', url, '--api-key', 'k'])
  const writes = () =>
    calls.filter(({ route, body }) => /^DELETE/.test(route) || (body as { dry_run?: boolean })?.dry_run === false)
  expect((await at('--subject', 'Ann')).stderr).toBe(
    '  met Ann\nNothing was forgotten. Without a terminal, say --yes.\n',
  )
  expect((await at('--subject', 'Ann', '--dry-run')).stdout).toBe('semantic: met Ann\n2 entries would be forgotten.\n')
  expect((await at('m1', '--dry-run')).stdout).toBe('fact m1\n')
  expect(writes()).toEqual([])
  expect((await at('--subject', 'Ann', '--yes')).stdout).toBe('2 entries are forgotten.\n')
  expect(calls.at(-1)?.body).toEqual({ subject: 'Ann' })
  expect((await at('m1', '-y')).stdout).toBe('m1 is forgotten.\n')
  for (const words of [[], ['m1', '--session', 's']])
    expect(await at(...words)).toMatchObject({
      code: 1,
      stderr: 'Say what to forget: an entry, --session or --subject\n',
    })
})

test('an export is paged into a file of its owner, or to stdout', async () => {
  const { url, calls } = await fakeKeel({
    'GET /api/memory/export': ({ url: asked }: FakeCall) =>
      asked.includes('after=7') ? { lines: [line('m3')], next: null } : { lines: [line('m1'), line('m2')], next: 7 },
  })
  const target = join(folder(), 'memory.jsonl')
  const run = await keel(['memory', 'export', target, '--url', url, '--api-key', 'k'])
  expect(run.stdout).toBe(`3 entries are in ${target}\n`)
  const lines = readFileSync(target, 'utf8').trim().split('\n')
  expect(lines.map((text) => JSON.parse(text))).toEqual([line('m1'), line('m2'), line('m3')])
  expect(statSync(target).mode & 0o777).toBe(0o600)
  expect(readdirSync(join(target, '..'))).toEqual(['memory.jsonl'])
  const printed = await keel(['memory', 'export', '--tier', 'semantic', '--url', url, '--api-key', 'k'])
  expect(printed.stdout).toBe(`${lines.join('\n')}\n`)
  expect(printed.stderr).toBe('3 entries\n')
  expect(calls.at(-1)?.url).toContain('tier=semantic')
})

test('an import goes in batches, tells how far it is, and names the line that is wrong', async () => {
  const { url, calls } = await fakeKeel({
    'POST /api/memory/import': ({ body }: FakeCall) => ({
      imported: (body as { lines: unknown[] }).lines.length,
      skipped: 0,
    }),
  })
  const file = join(folder(), 'memory.jsonl')
  const at = (path: string, stdin = '') => keel(['memory', 'import', path, '--url', url, '--api-key', 'k'], { stdin })
  const many = Array.from({ length: 4_500 }, (_, n) => JSON.stringify(line(`m${n}`)))
  writeFileSync(file, `${many.join('\n')}\n\n`)
  const run = await at(file)
  expect(run.stdout).toBe('4500 entries taken up, 0 there already.\n')
  expect(calls.map(({ body }) => (body as { lines: unknown[] }).lines.length)).toEqual([2_000, 2_000, 500])
  expect(run.stderr.split('\n')[0]).toBe('line 2000: 2000 taken up, 0 there already')
  const big = Array.from({ length: 1_000 }, (_, n) => JSON.stringify(line(`b${n}`, 'x'.repeat(8_000))))
  expect((await at('-', big.join('\n'))).code).toBe(0)
  for (const { body } of calls) expect(JSON.stringify(body).length).toBeLessThan(6.1 * 1_048_576)
  writeFileSync(file, `${many[0]}\n\n{"id":"m1"}\n`)
  expect(await at(file)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^line 3: tier: /) })
  writeFileSync(file, `${many[0]}\nnot json\n`)
  expect((await at(file)).stderr).toBe('line 2: is not JSON\n')
  expect((await at('/nowhere.jsonl')).stderr).toBe('There is no file /nowhere.jsonl\n')
})

test('a line that the server refuses is named by its place in the file', async () => {
  const { url } = await fakeKeel({
    'POST /api/memory/import': (_: FakeCall, response: import('node:http').ServerResponse) => {
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"error":"lines[1]: content must not be empty"}')
    },
  })
  const stdin = [line('a'), '', line('b', 'sk-abcdefgh12345678')]
    .map((value) => (value === '' ? '' : JSON.stringify(value)))
    .join('\n')
  const run = await keel(['memory', 'import', '-', '--url', url, '--api-key', 'k'], { stdin })
  expect([run.code, run.stderr]).toEqual([1, 'line 3: content must not be empty\n'])
})
