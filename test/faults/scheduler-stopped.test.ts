import { afterAll, beforeAll, expect, test } from 'vitest'
import { gridFaults, type Hook, pidOf, type RunRow, readHome, startHook } from '../support/cron-rows.ts'
import { type Daemon, eventually, isAlive, startDaemon } from '../support/daemon.ts'

let keel: Daemon
let hook: Hook

beforeAll(async () => {
  hook = await startHook()
  keel = await startDaemon({ config: `[scheduler]\nlease_seconds = 2\n[egress]\nallowed_hosts = ["${hook.host}"]\n` })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await hook.close()
})

const runs = () => readHome<RunRow>(keel.home, `SELECT * FROM cron_runs WHERE trigger <> 'manual'`)
const successes = () => runs().filter(({ status }) => status === 'success').length

test('the scheduler is stopped in its tracks: it is replaced, and what it slept through is caught up', async () => {
  // Steady.
  const { id } = await keel.client.cron.createJob({
    body: {
      name: 'tick',
      schedule_kind: 'every',
      schedule_expr: '1s',
      payload_json: { action: 'noop' },
      catch_up: 'all',
    },
  })
  await eventually('it ticks', () => successes() >= 2)
  // Broken: it is there and says nothing.
  const stopped = (await pidOf(keel, 'scheduler')) ?? Number.NaN
  process.kill(stopped, 'SIGSTOP')
  await eventually('the stopped process is gone', () => !isAlive(stopped), 8_000)
  // Chat and health never noticed.
  expect((await keel.client.agent.sendMessage({ body: { content: '/help' } })).content).toContain('/status')
  // Recovered.
  const before = successes()
  await eventually('it ticks again', () => successes() >= before + 3, 15_000)
  await keel.client.cron.pauseJob({ params: { id } })
  await eventually('every run is over', () =>
    runs().every(({ status }) => status !== 'running' && status !== 'waiting'),
  )
  expect(gridFaults(runs(), 1_000)).toEqual({ lost: [], doubled: [] })
  expect((await keel.client.health.getHealth()).checks.scheduler).toBe('ok')
}, 60_000)

test('a run longer than its lease is not doubled, and one beyond its deadline is ended', async () => {
  const { id } = await keel.client.cron.createJob({
    body: {
      name: 'long',
      schedule_kind: 'every',
      schedule_expr: '1d',
      payload_json: { action: 'tool_call', tool: 'bash', input: { command: 'sleep 5; echo done' } },
    },
  })
  const run = await keel.client.cron.runJob({ params: { id } })
  expect(run).toMatchObject({ status: 'success', output_text: expect.stringContaining('done') })
  await keel.client.cron.updateJob({ params: { id }, body: { timeout_seconds: 1 } })
  expect(await keel.client.cron.runJob({ params: { id } })).toMatchObject({
    status: 'error',
    error: expect.stringContaining('1 s'),
  })
  const { runs: mine } = await keel.client.cron.listRuns({ query: { job_id: id } })
  expect(mine.map(({ status, attempt }) => [status, attempt])).toEqual([
    ['error', 1],
    ['success', 1],
  ])
}, 60_000)

test('a planned restart in the middle of a run costs no attempt, and a kill no wait for its lease', async () => {
  hook.fallSilent()
  await keel.client.config.updateConfig({ body: { scheduler: { lease_seconds: 3_600 } } })
  const { id } = await keel.client.cron.createJob({
    body: {
      name: 'in the middle',
      schedule_kind: 'once',
      schedule_expr: new Date(Date.now() + 500).toISOString(),
      payload_json: { action: 'http', url: hook.url },
    },
  })
  const mine = () => runs().find(({ job_id }) => job_id === id)
  await eventually('it is under way', () => hook.keys.length === 1)
  await keel.client.services.restartService({ params: { name: 'scheduler' } })
  await eventually('it is under way once more', () => hook.keys.length === 2)
  expect(mine()).toMatchObject({ status: 'running', attempt: 1 })
  process.kill((await pidOf(keel, 'scheduler')) ?? Number.NaN, 'SIGKILL')
  await eventually('it is under way again', () => hook.keys.length === 3)
  expect(mine()).toMatchObject({ status: 'running', attempt: 2 })
  expect(new Set(hook.keys).size).toBe(1)
}, 60_000)
