import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let first: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream({ text: 'An answer that ends properly.' })
  first = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
  keel = first
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  // The home is its own.
  await first.dispose()
  await upstream.close()
})

const model = 'mock/test-model'
const profile = async () =>
  (await keel.client.models.getRoutingDiagnostics()).profiles.find(({ model_name }) => model_name === model)
const costs = async () => (await keel.client.stats.listCosts({ query: { limit: 1 } })).summary
const turnsCounted = async () =>
  (await keel.client.stats.getEfficiency({ query: { period: 'all' } })).totals.total_turns

test('a grade that is given while the router is dead counts when it is back, once; and the sums outlive the kernel', async () => {
  const { id: session_id } = await keel.client.sessions.createSession({ body: { nickname: 'Grades' } })
  const say = () => keel.client.agent.sendMessage({ body: { content: 'What is it?', session_id } })
  const grade = (turnId: string, value: number) =>
    keel.client.feedback.createTurnFeedback({ params: { id: turnId }, body: { grade: value } })
  // Steady.
  const one = await say()
  const other = await say()
  await grade(one.turn_id, 4)
  await eventually('the grade counts', async () => (await profile())?.grade_count === 1)
  // Broken.
  const { services } = await keel.client.services.listServices()
  process.kill(services.find(({ name }) => name === 'inference')?.pid ?? Number.NaN, 'SIGKILL')
  expect(await grade(one.turn_id, 2)).toMatchObject({ grade: 2 })
  expect(await grade(other.turn_id, 1)).toMatchObject({ grade: 1 })
  // Recovered.
  await eventually('both grades count', async () => (await profile())?.grade_count === 2, 10_000)
  expect(await profile()).toMatchObject({ avg_grade: 1.5, observation_count: 4 })

  const before = { ...(await costs()), turns: await turnsCounted() }
  const { home } = keel
  await keel.stop('SIGKILL')
  keel = await startDaemon({ home })
  expect({ ...(await costs()), turns: await turnsCounted() }).toEqual(before)
  expect(before.turns).toBe(2)
  await eventually('the router has begun with its grades', async () => (await profile())?.avg_grade === 1.5)
  const quality = (await keel.client.stats.getEfficiency({})).models[model]?.quality
  expect(quality).toMatchObject({ avg_grade: 1.5, grade_count: 2, grade_coverage: 1 })
}, 60_000)
