import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { freePort } from '../support/free-port.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let home: string
let env: Record<string, string>
let upstream: Upstream
let keel: Daemon
let follower: EventFollower

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  env = { KEEL_PORT: String(await freePort()) }
  upstream = await startUpstream({ text: 'Well answered.' })
  keel = await startDaemon({ home, env, config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
  follower = new EventFollower(keel)
  await follower.connect()
}, 30_000)

afterEach(async () => {
  await follower.cut()
  await keel.dispose()
  await upstream.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

/** Says and does something, so that there are events; resolves with the turn's id. */
async function ask(content: string): Promise<string> {
  return (await keel.client.agent.sendMessage({ body: { content } })).turn_id
}

function hasHeardOf(turn_id: string): Promise<void> {
  return eventually('the follower hears of the turn', () => follower.events.some((event) => event.turn_id === turn_id))
}

async function pidOf(name: string): Promise<number> {
  const { services } = await keel.client.services.listServices()
  const pid = services.find((service) => service.name === name)?.pid
  if (!pid) throw new Error(`${name} has no process`)
  return pid
}

test('the kernel is killed: whoever resumes gets every event, or is told which are gone', async () => {
  await hasHeardOf(await ask('steady?'))
  expect(follower.gaps).toEqual([])
  upstream.script([{ text: 'Never heard.', delayMs: 20_000 }])
  const asked = upstream.requests.length
  const lastWords = ask('broken?').catch(() => undefined)
  await upstream.received(asked + 1)
  await keel.stop('SIGKILL')
  await lastWords
  await eventually('the connection is gone', () => follower.closings.length === 1)

  keel = await startDaemon({ home, env })
  await follower.connect()
  await hasHeardOf(await ask('recovered?'))
  expect(follower.faults).toEqual([])
  for (const { from, to } of follower.gaps) expect(to).toBeGreaterThanOrEqual(from)
})

test('the kernel is stopped and started: nothing is gone, what was said at the stop included', async () => {
  await hasHeardOf(await ask('steady?'))
  expect(await keel.stop('SIGTERM')).toBe(0)
  await eventually('the connection is gone', () => follower.closings.length === 1)
  expect(follower.closings).toEqual([1001])

  keel = await startDaemon({ home, env })
  await follower.connect()
  await hasHeardOf(await ask('recovered?'))
  expect(follower.faults).toEqual([])
  expect(follower.gaps).toEqual([])
})

test('services are killed while turns run: each event comes once, in order', async () => {
  await hasHeardOf(await ask('steady?'))
  for (const name of ['agent', 'inference']) {
    upstream.script([{ text: 'Slowly answered.', delayMs: 400 }, { text: 'Well answered.' }])
    const asked = upstream.requests.length
    const waiting = ask(`while ${name} dies?`)
    await upstream.received(asked + 1)
    process.kill(await pidOf(name), 'SIGKILL')
    await hasHeardOf(await waiting)
  }
  upstream.script({ text: 'Well answered.' })
  await hasHeardOf(await ask('recovered?'))
  const killed = follower.events.filter((event) => /SIGKILL/.test(String(event.reason)))
  expect(killed.every(({ type }) => type === 'service_state_changed')).toBe(true)
  expect(new Set(killed.map(({ service }) => service))).toEqual(new Set(['agent', 'inference']))
  expect(follower.faults).toEqual([])
  expect(follower.gaps).toEqual([])
})

test('a client that is cut off again and again in the middle of bursts misses nothing', async () => {
  const random = seededRandom(1)
  const cuts = 8
  const perBurst = 30
  for (let n = 0; n < cuts; n++) {
    const from = follower.last
    const stopAt = from + Math.floor(random() * perBurst)
    const burst = Promise.all(
      Array.from({ length: perBurst }, (_, i) =>
        keel.client.sessions.createSession({ body: { nickname: `Session ${n}.${i}` } }),
      ),
    )
    await eventually('the middle of the burst', () => follower.last >= stopAt)
    await follower.cut()
    await burst
    await follower.connect()
  }
  await hasHeardOf(await ask('recovered?'))
  const created = follower.events.filter(({ type }) => type === 'session_created')
  expect(created.length).toBeGreaterThanOrEqual(cuts * perBurst)
  expect(follower.faults).toEqual([])
  expect(follower.gaps).toEqual([])
})
