import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gridFaults, type Hook, pidOf, type RunRow, readHome, startHook } from '../support/cron-rows.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const kills = 20
const everyMs = 1_000

let home: string
let upstream: Upstream
let hook: Hook
let keel: Daemon

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  hook = await startHook()
  upstream = await startUpstream(() => ({ text: 'Done.', delayMs: 30 }))
  const more = `[cache]\nenabled = false\n[scheduler]\nlease_seconds = 2\n[egress]\nallowed_hosts = ["${hook.host}"]\n`
  keel = await startDaemon({ home, config: upstreamConfig(upstream.url, more) })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  await hook.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

function everySecond(name: string, payload: Record<string, unknown>) {
  return keel.client.cron.createJob({
    body: {
      name,
      schedule_kind: 'every',
      schedule_expr: '1s',
      payload_json: payload,
      catch_up: 'all',
      overlap: 'queue',
      max_retries: 10,
    },
  })
}

/** How long the oldest run that is not over has been due, in milliseconds. */
const lagOf = (jobId: string) =>
  Math.max(
    0,
    ...runsOf(jobId)
      .filter(({ status }) => status === 'waiting' || status === 'running')
      .map(({ scheduled_for }) => Date.now() - Date.parse(scheduled_for)),
  )
const runsOf = (jobId: string) =>
  readHome<RunRow>(home, 'SELECT * FROM cron_runs WHERE job_id = ? ORDER BY scheduled_for', jobId)

test('kills of the scheduler and of the kernel under jobs of every kind: no occurrence is lost, none is done twice', async () => {
  const random = seededRandom(200)
  // Steady.
  const jobs = [
    await everySecond('nothing', { action: 'noop' }),
    await everySecond('a call', { action: 'http', url: hook.url }),
    await everySecond('a turn', { action: 'agent_task', task: 'Look after the house.' }),
    await everySecond('money', { action: 'record_transaction', amount: 1 }),
  ]
  const [, calls, turns, money] = jobs.map(({ id }) => id) as [string, string, string, string]
  await eventually('each job has run', () =>
    jobs.every(({ id }) => runsOf(id).some(({ status }) => status === 'success')),
  )
  // Broken.
  const killed = new Set<number>()
  for (let kill = 0; kill < kills; kill++) {
    if (kill % 10 === 9) {
      await keel.stop('SIGKILL')
      await delay(random() * 300)
      keel = await startDaemon({ home })
    } else {
      await eventually(
        'another scheduler',
        async () => {
          const pid = await pidOf(keel, 'scheduler')
          if (pid === null || killed.has(pid)) return false
          killed.add(pid)
          await delay(random() * 250)
          process.kill(pid, 'SIGKILL')
          return true
        },
        15_000,
      )
    }
  }
  expect(killed.size).toBe(kills - kills / 10)
  // Recovered: what waits is worked off, and then nothing is due any more.
  await eventually('what had waited is worked off', () => jobs.every(({ id }) => lagOf(id) < 5_000), 60_000)
  for (const { id } of jobs) await keel.client.cron.updateJob({ params: { id }, body: { schedule_expr: '1d' } })
  await eventually(
    'every run is over',
    () =>
      readHome<{ n: number }>(home, `SELECT count(*) AS n FROM cron_runs WHERE status IN ('waiting', 'running')`)[0]
        ?.n === 0,
    90_000,
  )
  for (const { id } of jobs) {
    const runs = runsOf(id)
    expect(gridFaults(runs, everyMs)).toEqual({ lost: [], doubled: [] })
    // Longer away than a minute, or a full queue, would make it another word.
    expect(runs.filter(({ status }) => status !== 'success').map(({ status, error }) => `${status}: ${error}`)).toEqual(
      [],
    )
    expect(runs.length).toBeGreaterThan(10)
  }
  // Called once at least for each, and under the same key each time.
  const keysWanted = runsOf(calls).map(({ job_id, scheduled_for }) => `${job_id}@${scheduled_for}`)
  expect(new Set(hook.keys)).toEqual(new Set(keysWanted))
  // A turn goes on in the next process, and is not begun anew.
  const begun = readHome<{ n: number; ok: number }>(
    home,
    `SELECT count(*) AS n, count(*) FILTER (WHERE status = 'ok') AS ok FROM turns`,
  )[0]
  expect(begun).toEqual({ n: runsOf(turns).length, ok: runsOf(turns).length })
  expect(new Set(runsOf(turns).map(({ turn_id }) => turn_id)).size).toBe(runsOf(turns).length)
  // Booked once each.
  expect(readHome<{ n: number }>(home, 'SELECT count(*) AS n FROM transactions')[0]?.n).toBe(runsOf(money).length)
  expect(readHome<{ integrity_check: string }>(home, 'PRAGMA integrity_check')[0]?.integrity_check).toBe('ok')
}, 300_000)
