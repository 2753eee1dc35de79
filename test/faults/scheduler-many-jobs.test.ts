import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { goodAnswer, helpfulModel, startCallers } from '../support/callers.ts'
import { readHome } from '../support/cron-rows.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { copyJob, createPattern } from '../support/many-jobs.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const jobs = 10_000
const callers = 8

let home: string
let upstream: Upstream
let keel: Daemon

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  upstream = await startUpstream(helpfulModel)
  keel = await startDaemon({ home, config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

const count = (status: string) =>
  readHome<{ n: number }>(home, 'SELECT count(*) AS n FROM cron_runs WHERE status = ?', status)[0]?.n ?? 0

test('ten thousand jobs due in the same moment: each runs once, and who chats meanwhile is answered', async () => {
  await createPattern(keel)
  await keel.stop()
  const now = Date.now()
  copyJob(home, jobs, { from: now, until: now + 1 })
  keel = await startDaemon({ home })
  const load = startCallers(keel, callers)
  await eventually('half of them have run', () => count('success') >= jobs / 2, 60_000)
  // The other half is due, and chat goes on beside it.
  const sofar = load.answers.length
  expect(sofar).toBeGreaterThan(0)
  await eventually('all have run', () => count('success') === jobs, 60_000)
  expect(load.answers.length).toBeGreaterThan(sofar)
  await load.stop()
  expect(new Set(load.answers)).toEqual(new Set([goodAnswer]))
  const [told] = readHome<{ runs: number; of_jobs: number; attempts: number }>(
    home,
    'SELECT count(*) AS runs, count(DISTINCT job_id) AS of_jobs, max(attempt) AS attempts FROM cron_runs',
  )
  expect(told).toEqual({ runs: jobs, of_jobs: jobs, attempts: 1 })
  expect((await keel.client.health.getHealth()).status).toBe('ok')
}, 180_000)
