import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ReplayEvent } from '#sdk/contracts/replays.ts'
import { isErrorOf } from '#sdk/errors.ts'
import { type Daemon, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream, type UpstreamRequest } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

let keel: Daemon
let upstream: Upstream
/** The turn that is replayed: it has listed a folder and written a note. */
let turn_id: string
let session_id: string

const listing = { name: 'list_directory', arguments: '{"path":"."}' }
const writing = { name: 'write_file', arguments: '{"path":"note.txt","content":"milk\\n","append":true}' }

beforeAll(async () => {
  upstream = await startUpstream({ text: 'Well answered.' })
  const config = upstreamConfig(upstream.url, '[cache]\nenabled = false\n').replace(
    'models = ["test-model"]',
    'models = ["test-model", "other"]\ncost_per_input_token = 0.001\ncost_per_output_token = 0.002',
  )
  keel = await startDaemon({ config })
  const session = await keel.client.sessions.createSession({ body: { nickname: 'Replays' } })
  session_id = session.id
  upstream.script([{ text: 'Hello there.' }])
  await ask('hello')
  upstream.script([{ toolCalls: [listing] }, { toolCalls: [writing] }, { text: 'The note is written.' }])
  turn_id = (await ask('note milk, please')).turn_id
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

function ask(content: string) {
  return keel.client.agent.sendMessage({ body: { content, session_id } })
}

function replay(body: Record<string, unknown> = {}, id = turn_id) {
  return keel.client.turns.replayTurn({ params: { id }, body })
}

const note = () => readFileSync(join(keel.home, 'workspace', 'note.txt'), 'utf8')

/** How many rows each table has, those that a replay may write left out; and all of some that it might touch. */
function world(): Record<string, unknown> {
  const db = new Database(join(keel.home, 'keel.db'), { readonly: true })
  const tables = db
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
    .pluck()
    .all() as string[]
  const written = ['replays', 'inference_costs', 'events', 'metric_snapshots']
  const counts = tables
    .filter((name) => !written.includes(name) && !name.includes('_fts') && !name.includes('_vec'))
    .map((name) => [name, db.prepare(`SELECT count(*) FROM "${name}"`).pluck().get()])
  const whole = ['sessions', 'turns', 'turn_steps', 'session_messages', 'tool_calls', 'memories'].map((name) => [
    `all of ${name}`,
    db.prepare(`SELECT * FROM ${name}`).all(),
  ])
  const events = db.prepare(`SELECT DISTINCT type FROM events WHERE type <> 'replay_finished' ORDER BY type`).all()
  db.close()
  return Object.fromEntries([...counts, ...whole, ['events', events], ['note', note()]])
}

function messagesOf({ body }: UpstreamRequest): { role: string; content: string }[] {
  return body.messages as { role: string; content: string }[]
}

async function remembered() {
  const { waiting } = await keel.client.memory.getMemoryStatus()
  return waiting === 0
}

test('the same calls are answered from the record, another model answers, and nothing else happens', async () => {
  await expect.poll(remembered).toBe(true)
  const before = world()
  const asked = upstream.requests.length
  upstream.script([
    { toolCalls: [{ ...listing, arguments: '{ "path": "." }' }, { ...writing }] },
    { text: 'The note was written.' },
  ])
  const { original, replay: again, diff, ...report } = await replay({ model: 'mock/other' })
  expect(world()).toEqual(before)
  expect(note()).toBe('milk\n')

  const requests = upstream.requests.slice(asked)
  expect(requests.map(({ body }) => body.model)).toEqual(['other', 'other'])
  expect(report).toMatchObject({ turn_id, changes: { model: 'mock/other' }, notes: [] })
  expect(original).toMatchObject({ model: 'mock/test-model', status: 'ok', content: 'The note is written.' })
  expect(original.steps.map((step) => (step.kind === 'model' ? step.model : step.answered))).toEqual([
    'mock/test-model',
    'ran',
    'mock/test-model',
    'ran',
    'mock/test-model',
  ])
  expect(again).toMatchObject({ model: 'mock/other', status: 'ok', content: 'The note was written.' })
  expect(again.steps.map((step) => (step.kind === 'model' ? step.model : step.answered))).toEqual([
    'mock/other',
    'recorded',
    'recorded',
    'mock/other',
  ])
  expect(again.tokens_in).toBeGreaterThan(0)
  expect(again.cost).toBeGreaterThan(0)
  expect(diff).toEqual([
    { kind: 'same', text: 'The note ' },
    { kind: 'removed', text: 'is' },
    { kind: 'added', text: 'was' },
    { kind: 'same', text: ' written.' },
  ])
  // What the turn's model had seen, the replay's sees as well: the talk before, the tools, the outcomes.
  const [first, last] = requests.map(messagesOf)
  expect(JSON.stringify(first)).toContain('Hello there.')
  expect(first?.at(-1)?.content).toBe('note milk, please')
  expect(JSON.stringify(last)).toContain('write_file: success')
  const { transactions = [] } = { transactions: costs('replay') }
  expect(transactions.map(({ turn_id }) => turn_id)).toEqual([turn_id, turn_id])
  const sum = transactions.reduce((total, { cost }) => total + cost, 0)
  expect(sum).toBeCloseTo(again.cost, 10)
})

function costs(tier: string): { turn_id: string; cost: number; quality_score: number | null }[] {
  const db = new Database(join(keel.home, 'keel.db'), { readonly: true })
  const rows = db.prepare('SELECT turn_id, cost, quality_score FROM inference_costs WHERE tier = ?').all(tier)
  db.close()
  return rows as { turn_id: string; cost: number; quality_score: number | null }[]
}
