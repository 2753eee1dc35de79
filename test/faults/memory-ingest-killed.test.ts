import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { sql } from '#kernel/store/database.ts'
import { eventually } from '../support/daemon.ts'
import { endedTurn, memoryScene, newSession } from '../support/memory-scene.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { freeze, hasEnded } from '../support/services/supervised.ts'

const turns = 50
const workMs = 15
const deadlineMs = 60_000

/** Ends so many turns, and expects each to be remembered exactly once in the end. */
function tell(scene: ReturnType<typeof memoryScene>, count = turns) {
  const session_id = newSession(scene.store)
  const ids = Array.from({ length: count }, (_, n) => endedTurn(scene.store, { session_id, question: `turn ${n}` }))
  return {
    ids,
    async allRemembered() {
      await eventually('nothing waits', () => scene.waiting().length === 0, deadlineMs)
      expect(scene.remembered()).toEqual(ids.map((turn_id, n) => ({ turn_id, content: `turn ${n}` })))
    },
  }
}

const patient = { budget: { crashes: 1_000, withinMs: 30_000, longCrashes: 1_000, longWithinMs: 300_000 } }

describe('the memory service beneath its queue', () => {
  test('killed at random moments of fifty turns: nothing is lost, and nothing is there twice', async () => {
    const scene = memoryScene({ workMs, spec: patient })
    const { allRemembered } = tell(scene)
    const random = seededRandom(5)
    let kills = 0
    let over = false
    const killing = (async () => {
      while (!over) {
        await delay(20 + random() * 120)
        const { pid, state } = scene.status()
        if (over || pid === null || state !== 'ready') continue
        process.kill(pid, 'SIGKILL')
        kills += 1
      }
    })()
    scene.pump.wake()
    await eventually('half of it is done under fire', () => scene.remembered().length >= turns / 2, deadlineMs)
    over = true
    await killing
    await allRemembered()
    expect(kills).toBeGreaterThan(5)
  }, 120_000)

  test('stopped in its tracks: ended, and the turn goes to the next process', async () => {
    const scene = memoryScene({ workMs: 200 })
    const { allRemembered } = tell(scene, 3)
    scene.pump.wake()
    await eventually('a turn is under way', () => scene.status().calls_in_flight > 0)
    const stopped = freeze(scene.status().pid)
    await allRemembered()
    expect(hasEnded(stopped)).toBe(true)
  }, 30_000)

  test('babbling on the wire: ended, tried again with pauses, and the others are remembered meanwhile', async () => {
    const scene = memoryScene({ spec: patient })
    const session_id = newSession(scene.store)
    const bad = endedTurn(scene.store, { session_id, question: 'babble now' })
    const good = endedTurn(scene.store, { session_id, question: 'a good one' })
    scene.pump.wake()
    await eventually('the good one is remembered', () => scene.remembered().length === 1, deadlineMs)
    expect(scene.remembered()).toEqual([{ turn_id: good, content: 'a good one' }])
    expect(scene.waiting()).toMatchObject([{ turn_id: bad, attempts: 1 }])
    expect(scene.eventsOf('memory_ingest_failed')).toMatchObject([{ turn_id: bad, attempts: 1, given_up: false }])
  }, 90_000)

  test('a turn that ends each process that takes it up does not hold up the others for good', async () => {
    const scene = memoryScene({ spec: patient })
    const session_id = newSession(scene.store)
    const bad = endedTurn(scene.store, { session_id, question: 'exit now' })
    endedTurn(scene.store, { session_id, question: 'a good one' })
    scene.pump.wake()
    await eventually('the good one is remembered', () => scene.remembered().length === 1, deadlineMs)
    expect(scene.waiting()).toMatchObject([
      { turn_id: bad, attempts: 1, last_error: 'The memory service ended during ingest' },
    ])
  }, 90_000)

  test('given up after eight failures, with an event and a line of the log', async () => {
    const scene = memoryScene()
    const session_id = newSession(scene.store)
    const bad = endedTurn(scene.store, { session_id, question: 'fail now' })
    const odd = endedTurn(scene.store, { session_id, question: 'empty now' })
    for (let attempt = 1; attempt <= 8; attempt++) {
      // As if the pause were over.
      sql(scene.store.write, `UPDATE memory_ingest SET not_before = '2000-01-01T00:00:00.000Z'`).run()
      scene.pump.wake()
      await eventually(
        `attempt ${attempt} has failed for both`,
        () => scene.eventsOf('memory_ingest_failed').length === attempt * 2,
      )
    }
    expect([scene.waiting(), scene.remembered()]).toEqual([[], []])
    const told = scene.eventsOf('memory_ingest_failed')
    expect(told.filter(({ given_up }) => given_up)).toMatchObject([
      { turn_id: bad, attempts: 8 },
      { turn_id: odd, attempts: 8, error: 'content must not be empty' },
    ])
    expect(scene.logged.filter(({ level, turn_id }) => level === 50 && turn_id === bad)).toHaveLength(1)
  }, 30_000)

  test('a service that is not there costs no turn an attempt, and is not asked in vain when it is back', async () => {
    const scene = memoryScene({
      workMs: 20,
      spec: { budget: { crashes: 1, withinMs: 60_000, longCrashes: 2, longWithinMs: 300_000 } },
    })
    await eventually('it is there', () => scene.status().state === 'ready')
    while (scene.status().state !== 'down') {
      const { pid } = scene.status()
      if (pid !== null) process.kill(pid, 'SIGKILL')
      await delay(10)
    }
    const { allRemembered } = tell(scene, 3)
    scene.pump.wake()
    await delay(200)
    expect(scene.waiting().map(({ attempts }) => attempts)).toEqual([0, 0, 0])
    expect(scene.eventsOf('memory_ingest_failed')).toEqual([])
    await scene.supervisor.restart('memory')
    await allRemembered()
  }, 30_000)
})

test('what somebody waits for passes a turn that is being remembered, which is remembered once all the same', async () => {
  const scene = memoryScene({ workMs: 3_000 })
  const { allRemembered } = tell(scene, 1)
  scene.pump.wake()
  await eventually('the turn is under way', () => scene.status().calls_in_flight > 0)
  const at = performance.now()
  expect(await scene.work.run(() => 'passed')).toBe('passed')
  expect(performance.now() - at).toBeLessThan(2_000)
  await allRemembered()
}, 30_000)
