import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createScheduler } from '../../services/scheduler/scheduler.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { dyingClient, type KernelClient, schedulerScene } from '../support/scheduler-scene.ts'
import { seededRandom } from '../support/seeded-random.ts'

const start = Date.parse('2026-03-02T12:00:00Z')
const leaseMs = 60_000

async function launch(kernel: KernelClient, clock: FakeClock): Promise<void> {
  const service = await createScheduler(kernel, pino({ enabled: false }), clock)
  onTestFinished(() => void service.close?.())
  await clock.settle()
}

const steps = (['due', 'claim', 'take', 'perform', 'finish'] as const).flatMap((method) =>
  (['before', 'after'] as const).map((when) => ({ method, when })),
)

test.each(steps)('killed $when $method: the next one does the run, once', async ({ method, when }) => {
  const { addJob, connect, runs, booked } = schedulerScene()
  const clock = new FakeClock(start)
  addJob(
    {
      schedule_kind: 'once',
      schedule_expr: '2026-03-02T12:00:10Z',
      payload_json: { action: 'record_transaction', amount: 1 },
    },
    start,
  )
  // Steady: asked and waiting. Then broken, when the time has come.
  const doomed = connect()
  await launch(doomed, clock)
  await clock.advance(9_000)
  Object.assign(doomed, dyingClient({ ...doomed }, method, when))
  await clock.advance(2_000)
  // Recovered.
  await launch(connect(), clock)
  await clock.advance(leaseMs + 1_000)
  expect(runs()).toMatchObject([{ status: 'success', scheduled_for: '2026-03-02T12:00:10.000Z', trigger: 'schedule' }])
  expect(booked()).toBe(1)
  const wasTaken =
    (method === 'take' && when === 'after') || method === 'perform' || (method === 'finish' && when === 'before')
  expect(runs()[0]?.attempt).toBe(wasTaken ? 2 : 1)
})

test('killed in the middle of a run whose job wants no second try: it ends as an error that says so', async () => {
  const { addJob, connect, runs } = schedulerScene()
  const clock = new FakeClock(start)
  addJob({ schedule_kind: 'once', schedule_expr: '2026-03-02T12:00:10Z', after_crash: 'fail' }, start)
  await launch(dyingClient(connect(), 'perform', 'before'), clock)
  await clock.advance(11_000)
  await launch(connect(), clock)
  await clock.advance(leaseMs + 1_000)
  expect(runs()).toMatchObject([{ status: 'error', attempt: 1, error: 'the process that ran it died' }])
})

test('a run whose processes die again and again is given up after its attempts', async () => {
  const { addJob, connect, runs } = schedulerScene()
  const clock = new FakeClock(start)
  addJob({ schedule_kind: 'once', schedule_expr: '2026-03-02T12:00:10Z', max_retries: 2 }, start)
  for (let death = 0; death < 5; death++) {
    await launch(dyingClient(connect(), 'perform', 'before'), clock)
    await clock.advance(leaseMs + 15_000)
  }
  expect(runs()).toMatchObject([{ status: 'error', attempt: 3, error: 'the process that ran it died' }])
})

test('two schedulers at once, for a day: each occurrence is done once, and by one of them', async () => {
  const { addJob, connect, runs, booked } = schedulerScene()
  const clock = new FakeClock(start)
  const payload_json = { action: 'record_transaction', amount: 1 }
  for (const schedule_expr of ['5m', '7m', '1h']) addJob({ schedule_expr, payload_json }, start)
  const takenBy = new Map<string, Set<string>>()
  const random = seededRandom(7)
  const noting = (): KernelClient => {
    const client = connect()
    return {
      ...client,
      // Now the one is ahead, now the other.
      due: async (params, options) => {
        const ahead = Math.floor(random() * 8)
        for (let step = 0; step < ahead; step++) await Promise.resolve()
        return await client.due(params, options)
      },
      take: async (params, options) => {
        const taken = await client.take(params, options)
        for (const { run_id } of taken.runs) takenBy.set(run_id, (takenBy.get(run_id) ?? new Set()).add(params.holder))
        return taken
      },
    }
  }
  await launch(noting(), clock)
  await launch(noting(), clock)
  await clock.advance(24 * 3_600_000)
  const expected = 24 * 12 + Math.floor((24 * 60) / 7) + 24
  expect(runs()).toHaveLength(expected)
  expect(runs().every(({ status, attempt }) => status === 'success' && attempt === 1)).toBe(true)
  expect(booked()).toBe(expected)
  expect([...takenBy.values()].every((holders) => holders.size === 1)).toBe(true)
  expect(new Set([...takenBy.values()].flatMap((holders) => [...holders])).size).toBe(2)
}, 60_000)
