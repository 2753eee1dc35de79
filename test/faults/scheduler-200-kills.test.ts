import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ChildProcess } from '#kernel/supervisor/child-process.ts'
import { serviceSpec } from '#kernel/supervisor/spec.ts'
import { kernelForScheduler } from '#sdk/services/kernel.ts'
import { schedulerService } from '#sdk/services/scheduler.ts'
import { gridFaults } from '../support/cron-rows.ts'
import { eventually } from '../support/daemon.ts'
import { schedulerScene } from '../support/scheduler-scene.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { temporaryFolder } from '../support/temp-store.ts'

const kills = 200
const everyMs = 1_000

test('200 kills of the scheduler at random moments: no occurrence is lost, none is claimed or done twice', async () => {
  const random = seededRandom(200)
  const { addJob, terms, runs, booked } = schedulerScene({ lease_seconds: 2 })
  const runDir = temporaryFolder()
  const spec = serviceSpec({
    contract: schedulerService,
    entry: new URL('../../services/scheduler/main.ts', import.meta.url),
    kernel: { contract: kernelForScheduler, handlers: terms.handlers },
  })
  const launch = () => new ChildProcess(spec, runDir, { onExit() {}, onOverweight() {}, onLog() {}, onFault() {} })
  const jobs = Array.from({ length: 5 }, () =>
    addJob(
      {
        payload_json: { action: 'record_transaction', amount: 1 },
        catch_up: 'all',
        overlap: 'queue',
        max_retries: 10,
      },
      Date.now(),
    ),
  )
  let killedAtWork = 0
  let running = launch()
  for (let kill = 0; kill < kills; kill++) {
    // The old and the new one at once, now and then, as while one hands over to the other.
    const next = random() < 0.2 ? launch() : undefined
    if (random() < 0.5) await eventually('it is at work', () => running.hasWorked, 15_000)
    await delay(random() * 200)
    if (running.hasWorked) killedAtWork += 1
    process.kill(running.pid, 'SIGKILL')
    if (!next) await running.exited
    running = next ?? launch()
  }
  onTestFinished(() => running.kill('the test is over'))
  // Enough of them had begun to work for their deaths to matter.
  expect(killedAtWork).toBeGreaterThan(kills / 4)
  await eventually(
    'what had waited is worked off',
    () => {
      const open = runs().filter(({ status }) => status === 'waiting' || status === 'running')
      const lags = open.map(({ scheduled_for }) => Date.now() - Date.parse(scheduled_for))
      return running.hasWorked && Math.max(0, ...lags) < 2 * everyMs
    },
    60_000,
  )
  await terms.close(5_000)
  for (const { id } of jobs) {
    const mine = runs().filter(({ job_id }) => job_id === id)
    expect(gridFaults(mine, everyMs)).toEqual({ lost: [], doubled: [] })
    expect(mine.length).toBeGreaterThan(10)
  }
  expect(new Set(runs().map(({ status }) => status)).difference(new Set(['success', 'waiting'])).size).toBe(0)
  // Booked under the key of its occurrence: one row for each that is over.
  const over = runs().filter(({ status }) => status === 'success').length
  expect(booked()).toBeGreaterThanOrEqual(over)
  expect(booked()).toBeLessThanOrEqual(runs().length)
}, 240_000)
