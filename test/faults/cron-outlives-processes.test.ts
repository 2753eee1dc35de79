import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CronRun } from '#sdk/contracts/cron.ts'
import { timestamp } from '#sdk/ids.ts'
import { pidOf } from '../support/cron-rows.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { type SlowServer, startSlowServer } from '../support/slow-server.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const leaseMs = 2_000
const testMs = 60_000

let home: string
let keel: Daemon
let upstream: Upstream
let server: SlowServer

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  server = await startSlowServer()
  upstream = await startUpstream({ text: 'Said.' })
  const lease = `[scheduler]\nlease_seconds = ${leaseMs / 1_000}\n`
  const more = `[cache]\nenabled = false\n\n[egress]\nallowed_hosts = ["127.0.0.1"]\n\n${lease}`
  keel = await startDaemon({ home, config: upstreamConfig(upstream.url, more) })
}, 30_000)

afterEach(async () => {
  await keel.dispose()
  await server.close()
  await upstream.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

const cron = () => keel.client.cron

/** Due in a moment, once. */
async function once(payload_json: Record<string, unknown>, more: object = {}): Promise<string> {
  const schedule_expr = timestamp(Date.now() + 2_000)
  const job = { name: 'Once', schedule_kind: 'once' as const, schedule_expr, payload_json, ...more }
  return (await cron().createJob({ body: job })).id
}

async function runsOf(job_id: string): Promise<CronRun[]> {
  return (await cron().listRuns({ query: { job_id } })).runs
}

async function ended(job_id: string, deadlineMs = 20_000): Promise<CronRun> {
  await eventually('the run has ended', async () => (await runsOf(job_id)).length > 0, deadlineMs)
  const [run, ...others] = await runsOf(job_id)
  if (!run || others.length > 0) throw new Error(`there are ${others.length + 1} runs`)
  return run
}

test('a run that takes longer than its lease is not begun twice', { timeout: testMs }, async () => {
  const id = await once({ action: 'http', url: server.url })
  await server.asked
  await new Promise((resolve) => setTimeout(resolve, 2 * leaseMs))
  server.answer()
  expect(await ended(id)).toMatchObject({ status: 'success', attempt: 1 })
  expect(server.keys).toHaveLength(1)
})

test('a run whose scheduler is killed is tried again by the next one, under the same key', {
  timeout: testMs,
}, async () => {
  const id = await once({ action: 'http', url: server.url })
  const key = await server.asked
  process.kill((await pidOf(keel, 'scheduler')) ?? Number.NaN, 'SIGKILL')
  await eventually('it is called again', () => server.keys.length === 2, 20_000)
  server.answer()
  expect(await ended(id)).toMatchObject({ status: 'success', attempt: 2 })
  expect(server.keys).toEqual([key, key])
})

test('a task of the agent whose kernel is killed is answered once', { timeout: testMs }, async () => {
  const answer = Promise.withResolvers<void>()
  upstream.script({ text: 'Said.', until: answer.promise })
  const id = await once({ action: 'agent_task', task: 'Say something' })
  await upstream.received(1)
  await keel.stop('SIGKILL')
  answer.resolve()
  keel = await startDaemon({ home })
  const run = await ended(id)
  expect(run).toMatchObject({ status: 'success', attempt: 2, output_text: 'Said.' })
  const { messages } = await keel.client.sessions.listMessages({ params: { id: run.session_id ?? '' } })
  expect(messages.map(({ content }) => content)).toEqual(['Say something', 'Said.'])
})

test('a kernel that is stopped in the middle of a run leaves it to the next, and nothing has failed', {
  timeout: testMs,
}, async () => {
  const id = await once({ action: 'http', url: server.url })
  const key = await server.asked
  await keel.stop('SIGTERM')
  server.answer()
  keel = await startDaemon({ home })
  expect(await ended(id)).toMatchObject({ status: 'success', attempt: 1, error: null })
  expect(server.keys).toEqual([key, key])
  expect(await cron().getJob({ params: { id } })).toMatchObject({ consecutive_errors: 0, last_status: 'success' })
})

test.each([
  ['once', ['skipped', 'catch_up']],
  ['skip', ['skipped']],
  ['all', ['catch_up', 'catch_up', 'catch_up']],
] as const)('what was missed while Keel was down, caught up: %s', { timeout: testMs }, async (catch_up, expected) => {
  const body = {
    name: 'Hourly',
    schedule_kind: 'every' as const,
    schedule_expr: '1h',
    payload_json: { action: 'noop' },
  }
  const { id } = await cron().createJob({ body: { ...body, catch_up } })
  await keel.stop('SIGTERM')
  const missed = Date.now() - 150 * 60_000
  const db = new Database(join(home, 'keel.db'))
  db.prepare('UPDATE cron_jobs SET next_run_at = ? WHERE id = ?').run(timestamp(missed), id)
  db.close()
  keel = await startDaemon({ home })
  await eventually('it is made up for', async () => (await runsOf(id)).length === expected.length, 20_000)
  const runs = (await runsOf(id)).sort((left, right) => (left.scheduled_for < right.scheduled_for ? -1 : 1))
  expect(runs.map(({ status, trigger }) => (status === 'skipped' ? status : trigger))).toEqual(expected)
  const counted = runs.reduce((sum, { missed_count }) => sum + (missed_count ?? 1), 0)
  expect(counted).toBe(3)
  const { next_run_at } = await cron().getJob({ params: { id } })
  expect(Date.parse(next_run_at ?? '')).toBe(missed + 3 * 3_600_000)
})
