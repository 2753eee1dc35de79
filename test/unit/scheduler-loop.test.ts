import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { Schedule } from '#sdk/schedule/schedule.ts'
import { type CatchUpPolicy, type RunOutcome, schedulerBounds } from '#sdk/services/scheduler.ts'
import { createScheduler } from '../../services/scheduler/scheduler.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type Run, SchedulerKernel, success } from '../support/scheduler-kernel.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const start = Date.parse('2026-03-02T12:00:00Z')

const everyMinute: Schedule = { kind: 'cron', expr: '* * * * *', tz: 'UTC' }
const failure: RunOutcome = { status: 'error', output: '', error: 'no', retryable: true }

function at(ms: number): Schedule {
  return { kind: 'once', at: start + ms }
}

function scene(settings: Partial<SchedulerKernel['settings']> = {}) {
  const clock = new FakeClock(start)
  const kernel = new SchedulerKernel(settings)
  /** One more process over the same kernel. */
  const launch = async () => {
    const service = await createScheduler(kernel.connect(), pino({ enabled: false }), clock)
    onTestFinished(async () => await service.close?.())
    await clock.settle()
    const context = { signal: new AbortController().signal, emit: async () => {} }
    return {
      close: async () => await service.close?.(),
      wake: () => service.handlers.wake({}, context),
      status: async () => await service.handlers.status({}, context),
      configure: (changed: Partial<SchedulerKernel['settings']>) =>
        service.handlers.configure({ ...kernel.settings, ...changed }, context),
    }
  }
  return { clock, kernel, launch }
}

/** Performs nothing by itself; a test ends each run when it likes. */
function heldRuns(kernel: SchedulerKernel) {
  const begun: { run: Run; signal: AbortSignal | undefined; end: (outcome?: RunOutcome) => void }[] = []
  kernel.perform = (run, signal) => {
    const { promise, resolve } = Promise.withResolvers<RunOutcome>()
    begun.push({ run, signal, end: (outcome = success) => resolve(outcome) })
    return promise
  }
  return begun
}

function onlyRun(kernel: SchedulerKernel): Run {
  const [run, ...more] = kernel.runs
  if (!run || more.length > 0) throw new Error(`there are ${kernel.runs.length} runs`)
  return run
}

function count(kernel: SchedulerKernel, method: string): number {
  return kernel.asked.filter((asked) => asked === method).length
}

test('a run begins at its very moment, and no sleep before it is longer than 30 s', async () => {
  const { clock, kernel, launch } = scene()
  kernel.addJob(at(100 * second), { from: start })
  await launch()
  await clock.advance(99_999)
  expect(kernel.runs).toEqual([])
  expect(Math.max(...clock.sleeps)).toBe(schedulerBounds.sleepMs)
  expect(count(kernel, 'due')).toBeLessThan(8)
  await clock.advance(1)
  expect(onlyRun(kernel)).toMatchObject({ status: 'success', trigger: 'schedule', taken_at: [start + 100 * second] })
})

test('a job that was made while the scheduler slept begins at its time, once it was woken', async () => {
  const { clock, kernel, launch } = scene()
  const service = await launch()
  await clock.advance(second)
  expect((await service.status()).next_wake_at).toBe(start + 30 * second)
  kernel.addJob(at(5 * second), { from: start })
  service.wake()
  await clock.settle()
  expect((await service.status()).next_wake_at).toBe(start + 5 * second)
  await clock.advance(4 * second)
  expect(onlyRun(kernel).taken_at).toEqual([start + 5 * second])
})

test('a long run keeps its lease and is begun once', async () => {
  const { clock, kernel, launch } = scene({ lease_ms: 20 * second })
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start, timeout_ms: hour })
  const service = await launch()
  await clock.advance(second)
  for (let step = 0; step < 120; step++) {
    await clock.advance(5 * second)
    expect(onlyRun(kernel).lease_ends - clock.now()).toBeGreaterThanOrEqual(15 * second)
  }
  expect((await service.status()).running).toEqual([onlyRun(kernel).id])
  begun[0]?.end()
  await clock.settle()
  expect(onlyRun(kernel)).toMatchObject({ status: 'success', attempt: 1 })
  expect((await service.status()).running).toEqual([])
})

test('a run whose lease somebody else has ends, and nothing is reported of it', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start })
  const service = await launch()
  await clock.advance(second)
  onlyRun(kernel).holder = 'another'
  await clock.advance(15 * second)
  expect(begun[0]?.signal?.aborted).toBe(true)
  expect((await service.status()).running).toEqual([])
  expect(count(kernel, 'finish')).toBe(0)
  expect(onlyRun(kernel)).toMatchObject({ status: 'running', holder: 'another' })
})

test('a run whose lease could not be renewed for its whole length ends, and is begun again later', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start })
  await launch()
  await clock.advance(second)
  kernel.isDown = true
  await clock.advance(45 * second)
  expect(begun[0]?.signal?.aborted).toBe(false)
  await clock.advance(15 * second)
  expect(begun[0]?.signal?.aborted).toBe(true)
  kernel.isDown = false
  await clock.advance(minute)
  expect(begun).toHaveLength(2)
  begun[1]?.end()
  await clock.settle()
  expect(onlyRun(kernel)).toMatchObject({ status: 'success', attempt: 2 })
})

test('a run that is taken again while its lapsed attempt goes on is reported by the new attempt alone', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start })
  const service = await launch()
  await clock.advance(second)
  onlyRun(kernel).lease_ends = clock.now()
  service.wake()
  await clock.settle()
  expect(begun.map(({ signal }) => signal?.aborted)).toEqual([true, false])
  begun[0]?.end(failure)
  await clock.settle()
  expect(onlyRun(kernel)).toMatchObject({ status: 'running', attempt: 2 })
  expect((await service.status()).running).toEqual([onlyRun(kernel).id])
  begun[1]?.end()
  await clock.settle()
  expect(onlyRun(kernel)).toMatchObject({ status: 'success', attempt: 2 })
})

test('a run that does not end in its time is ended, and tried again', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start, timeout_ms: 5 * second, max_attempts: 2 })
  await launch()
  await clock.advance(5_999)
  expect(begun[0]?.signal?.aborted).toBe(false)
  await clock.advance(1)
  expect(begun[0]?.signal?.aborted).toBe(true)
  expect(onlyRun(kernel)).toMatchObject({ status: 'waiting', error: 'did not end within 5 s' })
  await clock.advance(2 * minute)
  expect(begun).toHaveLength(2)
  expect(onlyRun(kernel)).toMatchObject({ status: 'error', error: 'did not end within 5 s', attempt: 2 })
})

test('a run that fails is tried again after a minute that doubles, until no attempt is left', async () => {
  const { clock, kernel, launch } = scene()
  kernel.perform = () => failure
  kernel.addJob(at(second), { from: start, max_attempts: 4 })
  await launch()
  await clock.advance(hour)
  const { taken_at, ...run } = onlyRun(kernel)
  expect(run).toMatchObject({ status: 'error', error: 'no', attempt: 4 })
  const waits = taken_at.slice(1).map((taken, index) => taken - (taken_at[index] ?? 0))
  expect(waits).toHaveLength(3)
  for (const [index, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(0.8 * minute * 2 ** index)
    expect(wait).toBeLessThanOrEqual(1.2 * minute * 2 ** index)
  }
})

test.each<RunOutcome>([{ ...failure, retryable: false }, success, { ...failure, status: 'cancelled' }])(
  'a run that ends as %j is not tried again',
  async (outcome) => {
    const { clock, kernel, launch } = scene()
    kernel.perform = () => outcome
    kernel.addJob(at(second), { from: start })
    await launch()
    await clock.advance(hour)
    expect(onlyRun(kernel)).toMatchObject({ status: outcome.status, attempt: 1 })
  },
)

test.each<[CatchUpPolicy, ran: number, missed: number[]]>([
  ['skip', 1, [479]],
  ['once', 1, [479]],
  ['all', 101, [379]],
])(
  'after a machine slept for 8 h, a job under %s runs %d times and the rest is one row',
  async (catch_up, ran, missed) => {
    const { clock, kernel, launch } = scene()
    kernel.addJob(everyMinute, { from: start, catch_up, overlap: 'allow' })
    await launch()
    await clock.advance(minute)
    const before = kernel.runs.length
    await clock.jump(8 * hour)
    await clock.advance(minute - 1)
    const woken = kernel.runs.slice(before)
    expect(woken.filter(({ status }) => status === 'success')).toHaveLength(ran)
    expect(woken.filter(({ status }) => status === 'skipped').map((row) => row.missed_count)).toEqual(missed)
    expect(kernel.jumps).toEqual([8 * hour])
    await clock.advance(10 * minute)
    expect(kernel.runs).toHaveLength(before + woken.length + 10)
  },
)

test('a run that was under way when the machine slept goes on with its lease', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start, timeout_ms: hour })
  const service = await launch()
  await clock.advance(second)
  await clock.jump(8 * hour)
  service.wake()
  await clock.advance(minute)
  begun[0]?.end()
  await clock.settle()
  expect(begun).toHaveLength(1)
  expect(onlyRun(kernel)).toMatchObject({ status: 'success', attempt: 1 })
})

test('after the clock was set back by 1 h an interval goes on, and no occurrence of any job runs twice', async () => {
  const { clock, kernel, launch } = scene()
  const performed: string[] = []
  kernel.perform = (run) => {
    performed.push(`${run.job.id} ${run.scheduled_for}`)
    return success
  }
  kernel.addJob({ kind: 'every', every_ms: 5 * minute }, { id: 'interval', from: start })
  kernel.addJob(everyMinute, { id: 'cron', from: start })
  const service = await launch()
  await clock.advance(2 * hour)
  const before = performed.length
  await clock.jump(-hour)
  service.wake()
  await clock.advance(hour - 30 * second)
  expect(kernel.jumps).toEqual([-hour])
  const since = performed.slice(before)
  expect(since.filter((run) => run.startsWith('interval')).length).toBeGreaterThanOrEqual(10)
  expect(since.filter((run) => run.startsWith('cron'))).toEqual([])
  await clock.advance(10 * minute)
  expect(performed.slice(before).filter((run) => run.startsWith('cron'))).toHaveLength(9)
  expect(new Set(performed).size).toBe(performed.length)
})

test('jobs that a clock put far ahead are due again when it is right, though nobody saw it being set', async () => {
  const { clock, kernel, launch } = scene()
  kernel.addJob(
    { kind: 'every', every_ms: minute },
    { id: 'interval', from: start, next_run_at: start + 365 * 24 * hour },
  )
  kernel.addJob(everyMinute, { id: 'cron', from: start, next_run_at: start + 365 * 24 * hour })
  kernel.addJob(at(365 * 24 * hour), { id: 'later', from: start })
  await launch()
  await clock.advance(10 * minute)
  expect(kernel.times('success').filter((run) => run.startsWith('interval')).length).toBeGreaterThanOrEqual(9)
  expect(kernel.times('success').filter((run) => run.startsWith('cron'))).toHaveLength(10)
  expect(kernel.jobs.get('later')?.next_run_at).toBe(start + 365 * 24 * hour)
  expect(kernel.jumps).toEqual([])
})

test('a drift of 2 s is no jump', async () => {
  const { clock, kernel, launch } = scene()
  await launch()
  for (let step = 0; step < 5; step++) {
    await clock.jump(2 * second)
    await clock.advance(minute)
  }
  expect(kernel.jumps).toEqual([])
  await clock.jump(2 * second + 1)
  await clock.advance(minute)
  expect(kernel.jumps).toEqual([2 * second + 1])
})

test('while the kernel is not there it is asked now and then, and afterwards the work goes on', async () => {
  const { clock, kernel, launch } = scene()
  kernel.addJob(everyMinute, { from: start })
  await launch()
  await clock.advance(minute)
  expect(kernel.times('success')).toHaveLength(1)
  kernel.isDown = true
  const before = count(kernel, 'due')
  await clock.advance(5 * minute)
  expect(count(kernel, 'due') - before).toBeGreaterThan(5)
  expect(count(kernel, 'due') - before).toBeLessThan(20)
  kernel.isDown = false
  await clock.advance(minute)
  expect(kernel.times('success').at(-1)).toBe('job-1 2026-03-02T12:07:00.000Z')
  expect(kernel.runs.filter(({ status }) => status === 'skipped').map((row) => row.missed_count)).toEqual([4])
})

test('a result that the kernel cannot take is kept until it can, and the run is not done again', async () => {
  const { clock, kernel, launch } = scene({ lease_ms: 10 * minute })
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start })
  await launch()
  await clock.advance(second)
  kernel.isDown = true
  begun[0]?.end()
  await clock.advance(3 * minute)
  expect(onlyRun(kernel).status).toBe('running')
  kernel.isDown = false
  await clock.advance(30 * second)
  expect(onlyRun(kernel)).toMatchObject({ status: 'success', attempt: 1 })
  expect(begun).toHaveLength(1)
})

test('when it closes in the middle, what is under way ends without a report, and no more is claimed', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { id: 'under way', from: start })
  kernel.addJob(at(2 * second), { id: 'later', from: start })
  const service = await launch()
  await clock.advance(second)
  await service.close()
  expect(begun[0]?.signal?.aborted).toBe(true)
  const asked = kernel.asked.length
  await clock.advance(hour)
  expect(kernel.asked.slice(asked)).toEqual([])
  expect(count(kernel, 'finish')).toBe(0)
  // As if it had not been begun.
  expect(onlyRun(kernel)).toMatchObject({ status: 'waiting', attempt: 0 })
})

test('it closes while the kernel is not there', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start })
  const service = await launch()
  await clock.advance(second)
  kernel.isDown = true
  begun[0]?.end()
  await clock.advance(10 * second)
  await service.close()
  expect(onlyRun(kernel).status).toBe('running')
})

test('two schedulers over one kernel run no occurrence twice', async () => {
  const { clock, kernel, launch } = scene()
  const performed: string[] = []
  kernel.perform = (run) => {
    performed.push(run.id)
    return success
  }
  for (let n = 0; n < 40; n++)
    kernel.addJob(n % 2 ? everyMinute : { kind: 'every', every_ms: 7 * second }, { from: start })
  await launch()
  await launch()
  await clock.advance(5 * minute)
  expect(new Set(performed).size).toBe(performed.length)
  expect(performed).toHaveLength(20 * 5 + 20 * 42)
  expect(new Set(kernel.runs.map(({ holder }) => holder)).size).toBe(2)
  expect(kernel.times('success')).toHaveLength(performed.length)
})

test('what a dead scheduler had begun is begun again by another when its lease has run out', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(at(second), { from: start })
  const first = await launch()
  await clock.advance(second)
  kernel.isDown = true
  await first.close()
  kernel.isDown = false
  await launch()
  await clock.advance(minute - 1)
  expect(begun).toHaveLength(1)
  await clock.advance(1)
  expect(begun).toHaveLength(2)
  expect(onlyRun(kernel).attempt).toBe(2)
})

test('no more runs are under way than there are places, and each gets its turn', async () => {
  const { clock, kernel, launch } = scene({ concurrency: 3 })
  const begun = heldRuns(kernel)
  for (let n = 0; n < 10; n++) kernel.addJob(at(second), { from: start })
  const service = await launch()
  await clock.advance(second)
  expect(begun).toHaveLength(3)
  begun[1]?.end()
  await clock.settle()
  expect(begun).toHaveLength(4)
  service.configure({ concurrency: 5 })
  await clock.settle()
  expect(begun).toHaveLength(6)
  for (let n = 0; n < 10; n++) {
    begun[n]?.end()
    await clock.settle()
  }
  expect(kernel.times('success')).toHaveLength(10)
})

test('of a thousand jobs that are due at once the first run before the last are claimed', async () => {
  const { clock, kernel, launch } = scene()
  for (let n = 0; n < 1_000; n++) kernel.addJob(at(second), { from: start })
  await launch()
  await clock.advance(second)
  await clock.settle()
  expect(kernel.times('success')).toHaveLength(1_000)
  expect(count(kernel, 'claim')).toBe(1_000 / schedulerBounds.batch)
  expect(kernel.asked.indexOf('perform')).toBeLessThan(kernel.asked.lastIndexOf('claim'))
})

test('a run whose place a later occurrence takes ends, and nothing is reported of it', async () => {
  const { clock, kernel, launch } = scene()
  const begun = heldRuns(kernel)
  kernel.addJob(everyMinute, { from: start, overlap: 'replace' })
  await launch()
  await clock.advance(2 * minute)
  expect(begun.map(({ signal }) => signal?.aborted)).toEqual([true, false])
  expect(kernel.runs.map(({ status }) => status)).toEqual(['cancelled', 'running'])
  expect(count(kernel, 'finish')).toBe(0)
})

test('a job whose schedule cannot be read is set aside, and the others run', async () => {
  const { clock, kernel, launch } = scene()
  kernel.addJob({ kind: 'cron', expr: '* * * * *', tz: 'Mars/Base' }, { id: 'odd', from: start, next_run_at: start })
  kernel.addJob(everyMinute, { id: 'even', from: start })
  await launch()
  await clock.advance(minute)
  expect(kernel.times('success')).toEqual(['even 2026-03-02T12:01:00.000Z'])
  expect(kernel.jobs.get('odd')?.next_run_at).toBeNull()
  expect(kernel.runs.find(({ job }) => job.id === 'odd')).toMatchObject({
    status: 'skipped',
    error: expect.stringMatching(/^the schedule cannot be read: .*Mars\/Base/),
  })
})

test('a kernel that passes over every plan is not asked without end', async () => {
  const { clock, kernel, launch } = scene()
  kernel.addJob(at(second), { from: start })
  const connect = kernel.connect.bind(kernel)
  kernel.connect = () => ({ ...connect(), claim: async () => ({ claimed: 0, replaced: [] }) })
  await launch()
  await clock.advance(minute)
  expect(count(kernel, 'due')).toBeLessThanOrEqual(65)
  expect(kernel.runs).toEqual([])
})
