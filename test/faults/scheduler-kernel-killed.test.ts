import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Hook, type RunRow, readHome, startHook } from '../support/cron-rows.ts'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'

let home: string
let keel: Daemon
let hook: Hook

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  hook = await startHook()
  keel = await startDaemon({ home, config: `[egress]\nallowed_hosts = ["${hook.host}"]\n` })
}, 30_000)

afterEach(async () => {
  await keel.dispose()
  await hook.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

const runs = () => readHome<RunRow>(home, 'SELECT * FROM cron_runs ORDER BY scheduled_for')

/** As if Keel had been away since so long before now. */
function awayFor(ms: number): void {
  const db = new Database(join(home, 'keel.db'))
  db.prepare('UPDATE cron_jobs SET next_run_at = ?').run(new Date(Date.now() - ms).toISOString())
  db.close()
}

test('a one-shot that was due while the kernel was dead runs after the next start, once', async () => {
  const at = new Date(Date.now() + 1_500).toISOString()
  const { id } = await keel.client.cron.createJob({
    body: {
      name: 'appointment',
      schedule_kind: 'at',
      schedule_expr: at,
      payload_json: { action: 'log', message: 'now' },
    },
  })
  await keel.stop('SIGKILL')
  await eventually('its time has passed', () => Date.now() > Date.parse(at))
  keel = await startDaemon({ home })
  await eventually('it has run', () => runs().some(({ status }) => status === 'success'))
  await keel.stop('SIGKILL')
  keel = await startDaemon({ home })
  expect(await keel.client.cron.getJob({ params: { id } })).toMatchObject({ enabled: false, next_run_at: null })
  expect(runs()).toMatchObject([{ status: 'success', scheduled_for: at, attempt: 1 }])
}, 60_000)

test.each([
  ['skip', ['skipped']],
  ['once', ['skipped', 'success']],
  ['all', ['success', 'success', 'success', 'success']],
] as const)(
  'hours missed while Keel was away, policy %s',
  async (catch_up, expected) => {
    await keel.client.cron.createJob({
      body: { name: 'hourly', schedule_kind: 'every', schedule_expr: '1h', payload_json: { action: 'noop' }, catch_up },
    })
    await keel.stop()
    // Due 3 h 30 min, 2 h 30 min, 1 h 30 min and half an hour ago.
    awayFor(3.5 * 3_600_000)
    keel = await startDaemon({ home })
    await eventually(
      'all is told',
      () =>
        runs().length >= expected.length && !runs().some(({ status }) => status === 'waiting' || status === 'running'),
    )
    expect(
      runs()
        .map(({ status }) => status)
        .sort(),
    ).toEqual([...expected])
    const told = await keel.client.cron.listRuns({ query: {} })
    for (const { status, trigger, missed_count } of told.runs) {
      if (status === 'success') expect(trigger).toBe('catch_up')
      else expect(missed_count).toBe(catch_up === 'skip' ? 4 : 3)
    }
  },
  60_000,
)

test('an orderly stop in the middle of a run costs no attempt: the run goes on after the next start', async () => {
  hook.fallSilent()
  const { id } = await keel.client.cron.createJob({
    body: {
      name: 'slow',
      schedule_kind: 'every',
      schedule_expr: '1s',
      payload_json: { action: 'http', url: hook.url },
    },
  })
  await eventually('it is under way', () => hook.keys.length === 1)
  await keel.stop()
  expect(runs()[0]).toMatchObject({ status: 'waiting', attempt: 0 })
  keel = await startDaemon({ home })
  await eventually('it is under way again', () => hook.keys.length === 2, 15_000)
  expect(runs()[0]).toMatchObject({ job_id: id, status: 'running', attempt: 1 })
  expect(new Set(hook.keys).size).toBe(1)
}, 60_000)
