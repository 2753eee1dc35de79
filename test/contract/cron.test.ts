import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CronRun } from '#sdk/contracts/cron.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { startSlowServer } from '../support/slow-server.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream
let follower: EventFollower

beforeAll(async () => {
  upstream = await startUpstream({ text: 'Said.' })
  const more = `[cache]
enabled = false

[server]
per_actor_rate_limit_requests = 100000
per_ip_rate_limit_requests = 100000

[egress]
allowed_hosts = ["127.0.0.1"]

[approvals]
enabled = true
gated_tools = ["write_file"]
`
  keel = await startDaemon({ config: upstreamConfig(upstream.url, more) })
  await eventually('the scheduler is there', async () => {
    const { services } = await keel.client.services.listServices()
    return services.some(({ name, state }) => name === 'scheduler' && state === 'ready')
  })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

beforeEach(async () => {
  follower = new EventFollower(keel)
  await follower.connect()
})
afterEach(() => follower.cut())

const cron = () => keel.client.cron
type NewJob = Parameters<Daemon['client']['cron']['createJob']>[0]['body']

/** A job that is due in a year unless told otherwise; returns its id. */
async function create(body: Partial<NewJob> = {}): Promise<string> {
  const job = { name: 'A job', schedule_kind: 'cron' as const, schedule_expr: '0 0 1 1 *', ...body }
  return (await cron().createJob({ body: job })).id
}

const load = (id: string) => cron().getJob({ params: { id } })
const run = (id: string) => cron().runJob({ params: { id } })
const payload = (value: Record<string, unknown>) => ({ payload_json: value })
const eventsOf = (job_id: string, ...types: string[]) =>
  follower.events.filter((event) => event.job_id === job_id && (types.length === 0 || types.includes(event.type)))

async function runsOf(job_id: string, query: { status?: CronRun['status'] } = {}): Promise<CronRun[]> {
  return (await cron().listRuns({ query: { job_id, ...query } })).runs
}

async function ended(job_id: string, count = 1): Promise<CronRun[]> {
  await eventually(`${count} run(s) have ended`, async () => (await runsOf(job_id)).length >= count, 15_000)
  return runsOf(job_id)
}

async function errorOf(path: string, method: string, body?: unknown): Promise<[number, string]> {
  const answer = await keel.fetch(path, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return [answer.status, ((await answer.json()) as { error: string }).error]
}

describe('a new job', () => {
  test('has all that clients read, is due from then on, and is announced', async () => {
    const { job_id, id } = await cron().createJob({
      body: { name: 'Morning', schedule_kind: 'cron', schedule_expr: '30 6 * * 1-5', schedule_tz: 'Europe/Vienna' },
    })
    expect(job_id).toBe(id)
    const job = await load(id)
    expect(job).toMatchObject({
      id,
      name: 'Morning',
      description: null,
      enabled: true,
      schedule_kind: 'cron',
      schedule_expr: '30 6 * * 1-5',
      schedule_tz: 'Europe/Vienna',
      agent_id: 'keel',
      payload_json: '{"action":"log","message":"scheduled job: Morning"}',
      session_target: 'main',
      delivery_mode: 'none',
      catch_up: 'once',
      overlap: 'forbid',
      after_crash: 'retry',
      max_retries: 3,
      timeout_seconds: 600,
      authority: 'Creator',
      created_by: 'api',
      last_status: null,
      consecutive_errors: 0,
    })
    expect(job.upcoming).toHaveLength(5)
    expect(job.upcoming[0]).toBe(job.next_run_at)
    expect(new Date(job.next_run_at ?? '').toLocaleTimeString('de-AT', { timeZone: 'Europe/Vienna' })).toBe('06:30:00')
    const { jobs } = await cron().listJobs()
    expect(jobs.find((listed) => listed.id === id)).toMatchObject({ name: 'Morning', next_run_at: job.next_run_at })
    expect(eventsOf(id)).toMatchObject([
      { type: 'cron_job_created', name: 'Morning', next_run_at: job.next_run_at },
      { type: 'cron_job_changed', op: 'insert' },
    ])
  })

  test('with an interval in seconds and nothing else said', async () => {
    const id = await create({ schedule_kind: 'interval', schedule_expr: '5m' })
    expect(await load(id)).toMatchObject({ schedule_kind: 'every', schedule_expr: '5m', schedule_every_ms: 300_000 })
    const seconds = await create({ schedule_kind: 'every', schedule_expr: undefined, schedule: '30' })
    expect(await load(seconds)).toMatchObject({ schedule_kind: 'every', schedule_expr: '30s' })
  })

  test('with a description and no payload has it done by the agent', async () => {
    const id = await create({ description: 'Water the plants' })
    expect(await load(id)).toMatchObject({
      description: 'Water the plants',
      payload_json: '{"action":"agent_task","task":"Water the plants"}',
    })
  })

  test('at a time is done once', async () => {
    const id = await create({ schedule_kind: 'at', schedule_expr: '2031-01-31T09:15:02Z' })
    expect(await load(id)).toMatchObject({
      schedule_kind: 'once',
      next_run_at: '2031-01-31T09:15:02.000Z',
      upcoming: ['2031-01-31T09:15:02.000Z'],
    })
  })

  test('that is paused is not due, and says when it would be', async () => {
    const job = await load(await create({ enabled: false }))
    expect(job).toMatchObject({ enabled: false, next_run_at: null })
    expect(job.upcoming).toHaveLength(5)
  })

  test.each([
    [{ schedule_kind: 'hourly' }, 'schedule_kind: must be one of cron, every, interval, once, at'],
    [{ schedule_expr: undefined }, 'schedule_expr: is required'],
    [{ schedule_expr: '* * *' }, 'schedule_expr'],
    [{ schedule_expr: '0 0 0 1 1 * 2030' }, 'schedule_expr'],
    [{ schedule_expr: '0 0 30 2 *' }, 'schedule_expr: never due'],
    [{ schedule_expr: '61 * * * *' }, 'schedule_expr'],
    [{ schedule_tz: 'Vienna/Europe' }, `schedule_tz: 'Vienna/Europe' is no time zone`],
    [{ schedule_kind: 'every', schedule_expr: '5 parsecs' }, 'schedule_expr'],
    [{ schedule_kind: 'every', schedule_expr: '5m', schedule_tz: 'nowhere' }, 'schedule_tz'],
    [{ schedule_kind: 'once', schedule_expr: '2020-01-01T00:00:00Z' }, 'in the past'],
    [{ name: '' }, 'name: must not be empty'],
    [{ payload_json: '{"action"' }, 'payload_json must be valid JSON'],
    [{ payload_json: '[1]' }, 'payload_json must be a JSON object'],
    [{ payload_json: {} }, 'payload_json.action: is required'],
    [payload({ action: 'agent_task' }), 'payload_json.task: is required'],
    [payload({ action: 'http', url: 'ftp://example.org' }), 'payload_json.url'],
    [payload({ action: 'record_transaction', amount: 'much' }), 'payload_json.amount: must be a number'],
    [{ delivery_mode: 'announce' }, 'delivery_channel: is required'],
    [{ timeout_seconds: 0 }, 'timeout_seconds'],
    [{ max_retries: 11 }, 'max_retries'],
    [{ overlap: 'maybe' }, 'overlap'],
  ])('%j is refused, naming the field', async (wrong, words) => {
    const body = { name: 'Wrong', schedule_kind: 'cron', schedule_expr: '0 0 1 1 *', ...wrong }
    const [status, error] = await errorOf('/api/cron/jobs', 'POST', body)
    expect([status, error]).toEqual([400, expect.stringContaining(words)])
  })

  test('six fields begin with seconds', async () => {
    const { next_run_at } = await load(await create({ schedule_expr: '15 0 0 1 1 *' }))
    expect(next_run_at).toMatch(/-01-01T00:00:15\.000Z$/)
  })
})

test.each([
  ['GET', '/api/cron/jobs/nobody'],
  ['PUT', '/api/cron/jobs/nobody'],
  ['DELETE', '/api/cron/jobs/nobody'],
  ['POST', '/api/cron/jobs/nobody/run'],
  ['POST', '/api/cron/jobs/nobody/pause'],
  ['POST', '/api/cron/jobs/nobody/resume'],
])('%s %s finds nobody', async (method, path) => {
  expect(await errorOf(path, method, method === 'PUT' ? {} : undefined)).toEqual([404, 'cron job nobody not found'])
})

test.each([
  ['GET', '/api/cron/runs/nobody'],
  ['POST', '/api/cron/runs/nobody/replay'],
])('%s %s finds nobody', async (method, path) => {
  expect(await errorOf(path, method)).toEqual([404, 'cron run nobody not found'])
})

describe('a change', () => {
  const change = (id: string, body: Parameters<Daemon['client']['cron']['updateJob']>[0]['body']) =>
    cron().updateJob({ params: { id }, body })

  test('of the name leaves the rest as it is', async () => {
    const id = await create({ schedule_kind: 'every', schedule_expr: '1h' })
    const before = await load(id)
    expect(await change(id, { name: 'Renamed' })).toEqual({ updated: true, id })
    expect(await change(id, { name: 'Renamed', enabled: true })).toEqual({ updated: true, id })
    const { updated_at: _, upcoming: __, ...rest } = await load(id)
    expect(before).toMatchObject({ ...rest, name: 'A job' })
    expect(eventsOf(id, 'cron_job_updated')).toHaveLength(2)
  })

  test('of the schedule changes when it is due', async () => {
    const id = await create({ schedule_tz: 'Asia/Tokyo' })
    await change(id, { schedule_expr: '0 12 1 6 *' })
    expect((await load(id)).next_run_at).toMatch(/-06-01T03:00:00\.000Z$/)
    await change(id, { schedule_tz: 'UTC' })
    expect((await load(id)).next_run_at).toMatch(/-06-01T12:00:00\.000Z$/)
    await change(id, { schedule_kind: 'every', schedule_expr: '2h' })
    expect(await load(id)).toMatchObject({ schedule_kind: 'every', schedule_every_ms: 7_200_000 })
  })

  test('of the payload changes what runs', async () => {
    const id = await create(payload({ action: 'log', message: 'one' }))
    expect((await run(id)).output_text).toBe('one')
    await change(id, { payload_json: '{"action":"log","message":"two"}' })
    expect((await run(id)).output_text).toBe('two')
  })

  test('of the description changes the task that was taken from it, and no other', async () => {
    const id = await create({ description: 'Water the plants' })
    await change(id, { description: 'Feed the cat' })
    expect((await load(id)).payload_json).toBe('{"action":"agent_task","task":"Feed the cat"}')
    await change(id, payload({ action: 'agent_task', task: 'Feed the dog' }))
    await change(id, { description: 'Feed them all' })
    expect(await load(id)).toMatchObject({
      description: 'Feed them all',
      payload_json: '{"action":"agent_task","task":"Feed the dog"}',
    })
  })

  test('of everything else is kept', async () => {
    const id = await create()
    const body = {
      agent_id: 'another',
      session_target: 'isolated',
      delivery_mode: 'announce',
      delivery_channel: 'web',
      timeout_seconds: 5,
      max_retries: 0,
      catch_up: 'all',
      overlap: 'queue',
      after_crash: 'fail',
    } as const
    await change(id, body)
    expect(await load(id)).toMatchObject(body)
    await change(id, { description: null, delivery_mode: 'none', delivery_channel: null })
    expect(await load(id)).toMatchObject({ description: null, delivery_mode: 'none', delivery_channel: null })
  })

  test('is checked as a new job is, and changes nothing where something is wrong', async () => {
    const id = await create()
    const before = await load(id)
    for (const wrong of [{ schedule_expr: '61 * * * *' }, { payload_json: '{' }, { delivery_mode: 'announce' }]) {
      const [status] = await errorOf(`/api/cron/jobs/${id}`, 'PUT', { name: 'Changed', ...wrong })
      expect(status).toBe(400)
    }
    expect(await load(id)).toMatchObject({ name: before.name, updated_at: before.updated_at })
  })

  test('a paused job is not due until it may run again', async () => {
    const id = await create()
    const { next_run_at } = await load(id)
    expect(await cron().pauseJob({ params: { id } })).toEqual({ paused: true, id })
    expect(await load(id)).toMatchObject({ enabled: false, next_run_at: null })
    expect(await cron().resumeJob({ params: { id } })).toEqual({ resumed: true, id, next_run_at })
    await change(id, { enabled: false })
    expect(await load(id)).toMatchObject({ enabled: false, next_run_at: null })
  })

  test('a one-shot whose time is over can not be enabled again', async () => {
    const at = new Date(Date.now() + 2_000).toISOString()
    const id = await create({ schedule_kind: 'once', schedule_expr: at, ...payload({ action: 'noop' }) })
    await ended(id)
    expect(await load(id)).toMatchObject({ enabled: false, next_run_at: null, last_status: 'success', upcoming: [] })
    const [status, error] = await errorOf(`/api/cron/jobs/${id}/resume`, 'POST')
    expect([status, error]).toEqual([400, 'schedule_expr: it is never due again'])
  })
})

describe('a deleted job', () => {
  test('is gone with its history', async () => {
    const id = await create(payload({ action: 'noop' }))
    const { run_id } = await run(id)
    expect(await cron().deleteJob({ params: { id } })).toEqual({ deleted: true, id })
    await expect(load(id)).rejects.toMatchObject({ kind: 'not_found', message: `cron job ${id} not found` })
    await expect(cron().getRun({ params: { id: run_id } })).rejects.toMatchObject({ kind: 'not_found' })
    expect(await runsOf(id)).toEqual([])
    expect(eventsOf(id).slice(-2)).toMatchObject([
      { type: 'cron_job_deleted', next_run_at: null },
      { type: 'cron_job_changed', op: 'delete' },
    ])
  })

  test('lets its run end, of which nothing is kept', async () => {
    const server = await startSlowServer()
    const id = await create(payload({ action: 'http', url: server.url }))
    const running = run(id)
    const gone = expect(running).rejects.toMatchObject({ kind: 'not_found', message: `cron job ${id} not found` })
    await server.asked
    await cron().deleteJob({ params: { id } })
    await gone
    server.answer()
    await server.close()
    expect(await runsOf(id)).toEqual([])
  })
})

describe('a run at once', () => {
  test('answers with what it has brought, and is on record', async () => {
    const id = await create(payload({ action: 'log', message: 'Hello there' }))
    const answer = await run(id)
    expect(answer).toMatchObject({ job_id: id, status: 'success', error: null, output_text: 'Hello there' })
    const [only] = await runsOf(id)
    expect(only).toMatchObject({
      id: answer.run_id,
      job_id: id,
      job_name: 'A job',
      status: 'success',
      output_text: 'Hello there',
      error: null,
      trigger: 'manual',
      attempt: 1,
      missed_count: null,
    })
    expect(only?.day).toBe(only?.scheduled_for.slice(0, 10))
    expect(await cron().getRun({ params: { id: answer.run_id } })).toEqual(only)
    expect(await load(id)).toMatchObject({ last_status: 'success', last_run_at: only?.started_at, last_error: null })
    const { entries } = await keel.client.logs.listLogs({ query: { q: 'Hello there' } })
    expect(entries).toHaveLength(1)
    await eventually('its events', () => eventsOf(id, 'cron_run_finished').length === 1)
    expect(eventsOf(id, 'cron_run_started', 'cron_run_finished')).toMatchObject([
      { run_id: answer.run_id, job_name: 'A job', name: 'A job', trigger: 'manual', attempt: 1 },
      { run_id: answer.run_id, status: 'success', error: null },
    ])
  })

  test('works for a paused job, and leaves it paused', async () => {
    const id = await create({ ...payload({ action: 'noop' }), enabled: false })
    expect(await run(id)).toMatchObject({ status: 'success' })
    expect(await load(id)).toMatchObject({ enabled: false, next_run_at: null })
  })

  test('is refused beside one that forbids it, and goes on when its caller hangs up', async () => {
    const server = await startSlowServer()
    const id = await create(payload({ action: 'http', url: server.url, method: 'GET' }))
    const leaving = new AbortController()
    const left = keel.fetch(`/api/cron/jobs/${id}/run`, { method: 'POST', signal: leaving.signal }).catch(() => 'left')
    const [job, due] = (await server.asked).split('@')
    expect([job, new Date(due ?? '').toISOString()]).toEqual([id, due])
    expect(await errorOf(`/api/cron/jobs/${id}/run`, 'POST')).toEqual([
      409,
      `cron job ${id} can not run now: an earlier run is under way`,
    ])
    leaving.abort()
    expect(await left).toBe('left')
    server.answer()
    expect((await ended(id))[0]).toMatchObject({ status: 'success', output_text: 'HTTP 200 OK\n\nat last' })
    await server.close()
  })

  test('that fails says why, is not tried again, and counts', async () => {
    const id = await create(payload({ action: 'tool_call', tool: 'no_such_tool' }))
    expect(await run(id)).toMatchObject({ status: 'error', error: 'there is no tool named no_such_tool' })
    expect(await runsOf(id)).toMatchObject([{ status: 'error', attempt: 1 }])
    expect(await load(id)).toMatchObject({ consecutive_errors: 1, last_status: 'error', enabled: true })
  })

  test('of an action that there is not pauses the job, until it is enabled', async () => {
    const id = await create(payload({ action: 'fly' }))
    expect(await run(id)).toMatchObject({ status: 'error', error: 'unknown action: fly' })
    expect(await load(id)).toMatchObject({ enabled: false, last_status: 'paused_unknown_action', next_run_at: null })
    expect(eventsOf(id, 'cron_job_paused')).toMatchObject([{ status: 'paused_unknown_action', consecutive_errors: 1 }])
    await cron().updateJob({ params: { id }, body: { enabled: true } })
    expect(await load(id)).toMatchObject({ enabled: true, last_status: null, consecutive_errors: 0 })
  })

  test('can be run again once it has failed, for the same occurrence', async () => {
    const id = await create(payload({ action: 'tool_call', tool: 'no_such_tool' }))
    const { run_id } = await run(id)
    await cron().updateJob({ params: { id }, body: payload({ action: 'log', message: 'now it goes' }) })
    const replayed = await cron().replayRun({ params: { id: run_id } })
    expect(replayed.job_id).toBe(id)
    const [again, first] = await ended(id, 2)
    expect(again).toMatchObject({ id: replayed.run_id, status: 'success', scheduled_for: first?.scheduled_for })
    expect(await errorOf(`/api/cron/runs/${replayed.run_id}/replay`, 'POST')).toEqual([
      409,
      `cron run ${replayed.run_id} is success; only what failed or did not run is run again`,
    ])
  })
})

describe('what a job does', () => {
  test('a task of the agent, in a session of the job’s own, with no more authority than the agent’s', async () => {
    const id = await create(payload({ action: 'agent_task', prompt: 'Say something' }))
    expect(await run(id)).toMatchObject({ status: 'success', output_text: 'Said.' })
    await run(id)
    const [second, first] = await runsOf(id)
    expect(second?.session_id).toBe(first?.session_id)
    expect(second?.turn_id).not.toBe(first?.turn_id)
    const { messages } = await keel.client.sessions.listMessages({ params: { id: first?.session_id ?? '' } })
    expect(messages.map(({ content }) => content)).toEqual(['Say something', 'Said.', 'Say something', 'Said.'])
    const session = await keel.client.sessions.getSession({ params: { id: first?.session_id ?? '' } })
    expect(session).toMatchObject({ scope_key: `cron:${id}` })
    const row = openDatabase((db) => db.prepare('SELECT request_json FROM turns WHERE id = ?').get(first?.turn_id))
    expect(JSON.parse((row as { request_json: string }).request_json)).toMatchObject({
      authority: 'SelfGenerated',
      authority_sources: ['cron'],
      channel: 'cron',
      max_seconds: 600,
    })
  })

  test('a task in a session of each run’s own', async () => {
    const id = await create({ ...payload({ action: 'agent_task', task: 'Say something' }), session_target: 'isolated' })
    await run(id)
    await run(id)
    const sessions = (await runsOf(id)).map(({ session_id }) => session_id)
    expect(new Set(sessions).size).toBe(2)
  })

  test('a log message that only stands for the description has it done', async () => {
    const id = await create({
      description: 'Say something',
      ...payload({ action: 'log', message: 'scheduled job: x' }),
    })
    expect(await run(id)).toMatchObject({ status: 'success', output_text: 'Said.' })
  })

  test('a reminder, in the conversation for which it was set', async () => {
    const { id: session_id } = await keel.client.sessions.createSession({ body: {} })
    const id = await create(payload({ action: 'remind', text: 'Drink', session_id }))
    expect(await run(id)).toMatchObject({ status: 'success', output_text: 'Drink' })
    const { messages } = await keel.client.sessions.listMessages({ params: { id: session_id } })
    expect(messages).toMatchObject([{ role: 'assistant', content: 'Reminder: Drink' }])
    await eventually('its event', () => follower.events.some((event) => event.message_id === messages[0]?.id))
    const nowhere = await create(payload({ action: 'remind', text: 'Drink', session_id: 'gone' }))
    expect(await run(nowhere)).toMatchObject({ status: 'error', error: 'session gone not found' })
  })

  test('a tool, by the same gate as everywhere', async () => {
    const echo = await create(payload({ action: 'tool_call', tool: 'echo', input: { message: 'Hi' } }))
    expect(await run(echo)).toMatchObject({ status: 'success', output_text: expect.stringContaining('Hi') })
    expect(await load(echo)).toMatchObject({ after_crash: 'fail' })
    const wrong = await create(payload({ action: 'tool_call', tool: 'echo', input: { message: 7 } }))
    expect(await run(wrong)).toMatchObject({ status: 'error', error: expect.stringContaining('payload_json.input') })
    const input = { path: 'note.txt', content: 'written' }
    const gated = await create(payload({ action: 'tool_call', tool: 'write_file', input }))
    const { status, error } = await run(gated)
    expect([status, error]).toEqual(['error', expect.stringMatching(/^waits for approval \S+$/)])
    const request = /approval (\S+)$/.exec(error ?? '')?.[1] ?? ''
    await keel.client.approvals.denyRequest({ params: { id: request }, body: {} })
  })

  test('a transaction, booked once for each occurrence', async () => {
    const job = { action: 'record_transaction', amount: 12.5, counterparty: 'landlord' }
    const id = await create(payload(job))
    const { run_id } = await run(id)
    expect(await cron().getRun({ params: { id: run_id } })).toMatchObject({ output_text: 'recorded 12.5 USD' })
    const rows = openDatabase((db) => db.prepare(`SELECT * FROM transactions WHERE counterparty = 'landlord'`).all())
    expect(rows).toMatchObject([{ amount: 12.5, tx_type: 'cron', currency: 'USD', tx_hash: null }])
  })

  test('it sees to sessions, runs, the memory, numbers, a copy of the database, or nothing', async () => {
    const { id: idle } = await keel.client.sessions.createSession({ body: { agent_id: 'idle' } })
    openDatabase((db) =>
      db.prepare(`UPDATE sessions SET updated_at = '2020-01-01T00:00:00.000Z' WHERE id = ?`).run(idle),
    )
    const outputs = [
      ['expire_sessions', 'expired 1 session(s)'],
      ['prune_runs', 'removed 0 run(s)'],
      ['metric_snapshot', expect.stringContaining('"active_turns":0')],
      ['consolidate_memory', expect.stringContaining('"examined":')],
      ['backup', expect.stringMatching(/^keel-\S+\.db \(/)],
      ['noop', ''],
    ] as const
    for (const [action, output_text] of outputs)
      expect(await run(await create(payload({ action })))).toMatchObject({
        status: 'success',
        error: null,
        output_text,
      })
    expect(await keel.client.sessions.getSession({ params: { id: idle } })).toMatchObject({ status: 'expired' })
  })

  test('what it has brought is announced on the channel that there is, and on no other', async () => {
    const announced = { ...payload({ action: 'log', message: 'Heard' }), delivery_mode: 'announce' as const }
    const web = await create({ ...announced, delivery_channel: 'web' })
    expect(await run(web)).toMatchObject({ status: 'success', error: null })
    await eventually('its event', () => eventsOf(web, 'cron_run_announced').length === 1)
    expect(eventsOf(web, 'cron_run_announced')).toMatchObject([{ channel: 'web', text: 'Heard' }])
    const pigeon = await create({ ...announced, delivery_channel: 'pigeon' })
    const error = 'not delivered: there is no channel pigeon'
    expect(await run(pigeon)).toMatchObject({ status: 'success', error, output_text: 'Heard' })
    expect(eventsOf(pigeon, 'cron_run_announced')).toEqual([])
  })
})

/** Beside the kernel, which is the database's only writer otherwise. */
function openDatabase<T>(use: (db: Database.Database) => T): T {
  const db = new Database(join(keel.home, 'keel.db'), { timeout: 5_000 })
  try {
    return use(db)
  } finally {
    db.close()
  }
}

describe('what is due', () => {
  test('runs by itself, when it is due', async () => {
    const id = await create({ schedule_kind: 'every', schedule_expr: '1s', ...payload({ action: 'noop' }) })
    const runs = await ended(id, 2)
    await cron().pauseJob({ params: { id } })
    expect(runs.every(({ status, trigger }) => status === 'success' && trigger === 'schedule')).toBe(true)
    const [second, first] = runs.slice(-2)
    expect(Date.parse(second?.scheduled_for ?? '') - Date.parse(first?.scheduled_for ?? '')).toBe(1_000)
  })

  test('is skipped beside an earlier run that forbids it, which leaves a row and an event', async () => {
    const server = await startSlowServer()
    const every = { schedule_kind: 'every', schedule_expr: '1s' } as const
    const id = await create({ ...every, ...payload({ action: 'http', url: server.url }) })
    await server.asked
    await eventually('one is skipped', async () => (await runsOf(id, { status: 'skipped' })).length > 0, 10_000)
    await cron().pauseJob({ params: { id } })
    server.answer()
    const [skipped] = await runsOf(id, { status: 'skipped' })
    expect(skipped).toMatchObject({ error: 'an earlier run is under way', missed_count: 1, attempt: 0 })
    expect(eventsOf(id, 'cron_run_skipped')[0]).toMatchObject({ count: 1, reason: 'an earlier run is under way' })
    await eventually('the first is over', async () => (await runsOf(id, { status: 'success' })).length === 1)
    await server.close()
  })
})

test('runs are listed by when they were due, by job and by status', async () => {
  const id = await create(payload({ action: 'noop' }))
  await run(id)
  await run(id)
  const [newer, older] = await runsOf(id)
  const list = async (query: object) =>
    (await cron().listRuns({ query: { job_id: id, ...query } })).runs.map((listed) => listed.id)
  expect(await list({ from: newer?.scheduled_for })).toEqual([newer?.id])
  expect(await list({ to: older?.scheduled_for })).toEqual([older?.id])
  expect(await list({ from: older?.scheduled_for, to: newer?.scheduled_for })).toEqual([newer?.id, older?.id])
  expect(await list({ limit: 1 })).toEqual([newer?.id])
  expect(await list({ status: 'error' })).toEqual([])
  expect(await list({ from: newer?.scheduled_for.replace('T', ' ').replace('Z', '') })).toEqual([newer?.id])
})

test('a schedule can be looked at before there is a job', async () => {
  const preview = (body: Parameters<Daemon['client']['cron']['previewSchedule']>[0]['body']) =>
    cron().previewSchedule({ body })
  const from = '2026-03-28T00:00:00Z'
  const { times } = await preview({
    schedule_kind: 'cron',
    schedule_expr: '30 2 * * *',
    schedule_tz: 'Europe/Vienna',
    from,
    count: 3,
  })
  expect(times).toEqual(['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
  expect((await preview({ schedule_kind: 'every', schedule_expr: '1h', from })).times).toHaveLength(5)
  await expect(preview({ schedule_kind: 'cron', schedule_expr: 'sometimes' })).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('schedule_expr'),
  })
})

test('whoever asks how Keel is hears of the scheduler', async () => {
  expect(await keel.client.health.getHealth()).toMatchObject({ status: 'ok', checks: { scheduler: 'ok' } })
})

test('the agent reminds, lists and cancels by its tools', async () => {
  const { id: session_id } = await keel.client.sessions.createSession({ body: {} })
  const say = async (content: string) =>
    (await keel.client.agent.sendMessage({ body: { content, session_id, model: 'keel/offline' } })).content
  expect(await say('remind me in two hours to call Ann')).toMatch(/The reminder is set: \[\S+\] Reminder: Call Ann: /)
  const { jobs } = await cron().listJobs()
  const [made, ...others] = jobs.filter(({ payload_json }) => payload_json.includes('call Ann'))
  expect(others).toEqual([])
  expect(await load(made?.id ?? '')).toMatchObject({
    created_by: session_id,
    authority: 'Creator',
    schedule_kind: 'once',
    payload_json: JSON.stringify({ action: 'remind', text: 'call Ann', session_id }),
  })
  const inMs = Date.parse(made?.next_run_at ?? '') - Date.now()
  expect(Math.abs(inMs - 7_200_000)).toBeLessThan(60_000)
  expect(await say('/remind yesterday call Ann')).toContain('is in the past')
})
