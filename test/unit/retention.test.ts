import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import { type Config, defaultConfig } from '#kernel/config/schema.ts'
import { createEventBus } from '#kernel/events/bus.ts'
import { recordKinds } from '#kernel/retention/record-kinds.ts'
import { Retention } from '#kernel/retention/retention.ts'
import { databaseSize, listRetentionRuns } from '#kernel/store/retention.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { temporaryFolder, temporaryStore } from '../support/temp-store.ts'

const dayMs = 86_400_000
const ago = (days: number) => timestamp(Date.now() - days * dayMs)
const never = Object.fromEntries(Object.keys(recordKinds).map((kind) => [kind, 0])) as Config['retention']

/** A database in which every record is as many days old as its number says. */
function scene(keeps: Partial<Config['retention']>) {
  const { store, path } = temporaryStore()
  const log = pino({ enabled: false })
  const bus = createEventBus({ db: store.write, log })
  onTestFinished(() => bus.close())
  const told: Record<string, unknown>[] = []
  bus.subscribe(({ text }) => void told.push(JSON.parse(text)))
  const folder = temporaryFolder()
  const config: Config = {
    ...defaultConfig,
    skills: { ...defaultConfig.skills, skills_dir: join(folder, 'skills') },
    plugins: { ...defaultConfig.plugins, dir: join(folder, 'plugins') },
    agent: { ...defaultConfig.agent, workspace: join(folder, 'workspace') },
    retention: { ...never, ...keeps },
  }
  const pruned: string[] = []
  const outbox = {
    async pruneDeadLetters(before: string) {
      pruned.push(before)
      return 0
    },
  }
  const retention = new Retention({
    store,
    bus,
    log,
    config: { current: () => config } as LiveConfig,
    channels: { outbox } as never,
  })
  const insert = (table: string, row: Record<string, unknown>) => {
    const names = Object.keys(row)
    const text = `INSERT INTO ${table} (${names}) VALUES (${names.map((name) => `@${name}`)})`
    store.write.prepare(text).run(row)
  }
  const ids = (table: string) =>
    (store.read.prepare(`SELECT id FROM ${table} ORDER BY rowid`).all() as { id: string }[]).map(({ id }) => id)
  return { store, path, retention, told, folder, config, pruned, insert, ids }
}

type Scene = ReturnType<typeof scene>

function session({ insert }: Scene, id: string, status: string, days: number): void {
  const at = ago(days)
  insert('sessions', { id, agent_id: 'keel', scope_key: id, status, created_at: at, updated_at: at })
}

function turn({ insert }: Scene, id: string, days: number, { status = 'ok', session_id = 's', output = 'out' } = {}) {
  const created_at = ago(days)
  insert('turns', { id, session_id, status, request_json: '{}', created_at })
  insert('turn_steps', {
    ...{ turn_id: id, seq: 0, kind: 'inference', status: 'done', attempt: 1, step_json: '{}' },
    updated_at: created_at,
  })
  insert('tool_calls', {
    id: `call-${id}`,
    turn_id: id,
    seq: 1,
    tool_name: 'read_file',
    input: '{"path":"a"}',
    output,
    status: 'success',
    created_at,
  })
}

describe('what is old goes, and what is not stays', () => {
  test('the journals of turns, with the turns left', async () => {
    const all = scene({ turn_journals: 30 })
    session(all, 's', 'active', 0)
    turn(all, 'running', 90, { status: 'running' })
    for (let n = 0; n < 120; n++) turn(all, `old-${n}`, 60)
    turn(all, 'new', 10)
    expect((await all.retention.run('operator')).removed).toEqual({ turn_journals: 120 })
    const left = all.store.read.prepare('SELECT turn_id FROM turn_steps ORDER BY turn_id').all()
    expect(left).toEqual([{ turn_id: 'new' }, { turn_id: 'running' }])
    expect(all.ids('turns')).toHaveLength(122)
    expect((await all.retention.run('operator')).removed).toEqual({})
  })

  test('the contents of tool calls, with the calls left', async () => {
    const all = scene({ tool_call_contents: 30 })
    session(all, 's', 'active', 0)
    turn(all, 'old', 31)
    turn(all, 'new', 29)
    expect((await all.retention.run('job')).removed).toEqual({ tool_call_contents: 1 })
    expect(all.store.read.prepare('SELECT input, output, status FROM tool_calls ORDER BY rowid').all()).toEqual([
      { input: '{}', output: null, status: 'success' },
      { input: '{"path":"a"}', output: 'out', status: 'success' },
    ])
  })

  test('rows of every table that has nothing but rows, in many small steps', async () => {
    const all = scene({ policy_decisions: 30, metric_snapshots: 30, costs: 30, model_selections: 30 })
    for (const days of [...Array.from({ length: 450 }, () => 31), 29, 1]) {
      const created_at = ago(days)
      const id = crypto.randomUUID()
      all.insert('policy_decisions', { id, tool_name: 't', decision: 'allow', context_json: '{}', created_at })
      all.insert('metric_snapshots', { id, metrics_json: '{}', created_at })
    }
    const { removed } = await all.retention.run('operator')
    expect(removed).toEqual({ policy_decisions: 450, metric_snapshots: 450 })
    expect(all.ids('policy_decisions')).toHaveLength(2)
  })

  test('what models have said', async () => {
    const all = scene({ analyses: 30 })
    for (const [subject_id, days] of [
      ['7d', 31],
      ['30d', 29],
    ] as const)
      all.insert('analyses', {
        ...{ kind: 'recommendations', subject_id, model: 'm', result_json: '{}', basis: '' },
        ...{ tokens_in: 1, tokens_out: 1, cost: 0, created_at: ago(days) },
      })
    expect((await all.retention.run('operator')).removed).toEqual({ analyses: 1 })
    expect(all.store.read.prepare('SELECT subject_id FROM analyses').all()).toEqual([{ subject_id: '30d' }])
  })

  test('approvals that are settled, never one that waits', async () => {
    const all = scene({ approvals: 30 })
    for (const [id, status, days] of [
      ['waits', 'pending', 90],
      ['old', 'denied', 90],
      ['new', 'approved', 1],
    ] as const)
      all.insert('approval_requests', {
        ...{ id, status, tool_name: 't', tool_version: '1', tool_input: '{}', subject: 's', channel: 'api' },
        ...{ requested_authority: 'Peer', risk_level: 'Safe', policy_rule: 'gate', timeout_at: ago(0) },
        created_at: ago(days),
      })
    expect((await all.retention.run('operator')).removed).toEqual({ approvals: 1 })
    expect(all.ids('approval_requests')).toEqual(['waits', 'new'])
  })

  test('conversations that have ended go whole, and each is told', async () => {
    const all = scene({ ended_sessions: 30 })
    session(all, 'active', 'active', 90)
    session(all, 'archived', 'archived', 60)
    session(all, 'expired', 'expired', 31)
    session(all, 'lately', 'archived', 29)
    session(all, 'at-work', 'archived', 60)
    turn(all, 'gone', 60, { session_id: 'archived' })
    turn(all, 'works', 60, { session_id: 'at-work', status: 'running' })
    expect((await all.retention.run('operator')).removed).toEqual({ ended_sessions: 2 })
    expect(all.ids('sessions')).toEqual(['active', 'lately', 'at-work'])
    expect(all.ids('turns')).toEqual(['works'])
    const deleted = all.told.filter(({ type }) => type === 'session_deleted').map(({ session_id }) => session_id)
    expect(deleted).toEqual(['archived', 'expired'])
  })

  test('files that Keel itself has put aside, and no others', async () => {
    const all = scene({ trash: 30, screenshots: 30 })
    const trash = join(all.folder, 'skills', '.trash')
    const screenshots = join(all.folder, 'workspace', 'screenshots')
    mkdirSync(join(trash, '2025-01-01T00-00-00-000Z-abcd-weather'), { recursive: true })
    mkdirSync(join(trash, 'my-own-notes'))
    mkdirSync(screenshots, { recursive: true })
    const taken = `screenshot-${crypto.randomUUID()}.png`
    for (const name of [taken, 'holiday.png']) writeFileSync(join(screenshots, name), 'picture')
    expect((await all.retention.run('operator')).removed).toEqual({})
    vi.useFakeTimers({ now: Date.now() + 31 * dayMs, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    expect((await all.retention.run('operator')).removed).toEqual({ trash: 1, screenshots: 1 })
    expect(existsSync(join(trash, 'my-own-notes'))).toBe(true)
    expect(existsSync(join(screenshots, 'holiday.png'))).toBe(true)
    expect(existsSync(join(screenshots, taken))).toBe(false)
  })

  test('a folder that leads elsewhere is not followed', async () => {
    const all = scene({ screenshots: 1 })
    const elsewhere = join(all.folder, 'elsewhere')
    mkdirSync(elsewhere)
    mkdirSync(join(all.folder, 'workspace'))
    const name = `screenshot-${crypto.randomUUID()}.png`
    writeFileSync(join(elsewhere, name), 'picture')
    symlinkSync(elsewhere, join(all.folder, 'workspace', 'screenshots'))
    vi.useFakeTimers({ now: Date.now() + 31 * dayMs, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    expect((await all.retention.run('operator')).removed).toEqual({})
    expect(existsSync(join(elsewhere, name))).toBe(true)
  })

  test('dead letters go with their files, which the outbox sees to', async () => {
    const all = scene({ dead_letters: 30 })
    await all.retention.run('operator')
    expect(all.pruned).toHaveLength(1)
    expect(Date.parse(all.pruned[0] ?? '')).toBeCloseTo(Date.now() - 30 * dayMs, -4)
  })

  test('what is kept for ever is not looked at', async () => {
    const all = scene({})
    session(all, 's', 'archived', 4_000)
    turn(all, 'old', 4_000)
    expect((await all.retention.run('operator')).removed).toEqual({})
    expect(all.ids('sessions')).toEqual(['s'])
    expect(all.pruned).toEqual([])
  })
})

test('the space comes back: the file is smaller afterwards, and the run says by how much', async () => {
  const all = scene({ tool_call_contents: 1 })
  session(all, 's', 'active', 0)
  for (let n = 0; n < 200; n++) turn(all, `t${n}`, 2, { output: 'x'.repeat(20_000) })
  const before = databaseSize(all.store.read)
  const run = await all.retention.run('housekeeping')
  const after = databaseSize(all.store.read)
  expect(before.shrinks).toBe(true)
  // Four whole pages of each output.
  const freed = 200 * 4 * 4_096
  expect(run.freed_bytes).toBeGreaterThanOrEqual(freed)
  expect(after.file).toBeLessThanOrEqual(before.file - freed)
  expect(after.free).toBe(0)
  expect(run.file_bytes).toBe(after.file)
  expect(listRetentionRuns(all.store.read, 10)).toEqual([run])
  expect(all.told).toContainEqual(expect.objectContaining({ type: 'retention_run', id: run.id }))
})

test('what went before an error is told, and the next run goes on', async () => {
  const all = scene({ policy_decisions: 1, dead_letters: 1 })
  all.insert('policy_decisions', { id: 'p', tool_name: 't', decision: 'allow', context_json: '{}', created_at: ago(2) })
  const turnAway = new AbortController()
  turnAway.abort(new RuntimeError('cancelled'))
  await expect(all.retention.run('operator', turnAway.signal)).rejects.toMatchObject({ kind: 'cancelled' })
  expect(listRetentionRuns(all.store.read, 1)).toMatchObject([{ removed: {}, error: expect.any(String) }])
  expect((await all.retention.run('operator')).removed).toEqual({ policy_decisions: 1 })
})

test('one at a time', async () => {
  const all = scene({ policy_decisions: 1 })
  const first = all.retention.run('operator')
  await expect(all.retention.run('job')).rejects.toMatchObject({ kind: 'conflict' })
  await first
})

test('once a day, however often it is thought of', async () => {
  const all = scene({ policy_decisions: 1 })
  vi.useFakeTimers({ now: Date.parse('2026-03-01T04:00:00Z'), toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const looks = async (hours: number) => {
    for (let tenth = 0; tenth < hours * 6; tenth++) {
      vi.setSystemTime(Date.now() + 600_000)
      all.retention.tidy()
      await vi.waitFor(() => expect(all.retention.isRunning).toBe(false))
    }
    return listRetentionRuns(all.store.read, 100).length
  }
  expect(await looks(1)).toBe(1)
  expect(await looks(22)).toBe(1)
  expect(await looks(2)).toBe(2)
})
