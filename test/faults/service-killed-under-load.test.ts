import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { goodAnswer, helpfulModel, startCallers } from '../support/callers.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const callers = 16
const times = 5
const betweenKillsMs = 400
const names = ['inference', 'agent', 'memory', 'tools']

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream(helpfulModel)
  keel = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

async function pidOf(name: string): Promise<number | null> {
  const { services } = await keel.client.services.listServices()
  return services.find((service) => service.name === name)?.pid ?? null
}

/** Steady, broken by `harm`, recovered: under the same load throughout, and with no failure on the way. */
async function underLoad(harm: () => Promise<void>): Promise<void> {
  const load = startCallers(keel, callers)
  await eventually('answers before the harm', () => load.answers.length >= callers)
  await harm()
  const sofar = load.answers.length
  await eventually('answers after the harm', () => load.answers.length >= sofar + callers)
  await load.stop()
  expect(new Set(load.answers)).toEqual(new Set([goodAnswer]))
  await eventually('every service that the load uses is ready', async () => {
    const { services } = await keel.client.services.listServices()
    return services.filter(({ name }) => names.includes(name)).every(({ state }) => state === 'ready')
  })
  expect((await keel.client.health.getHealth()).status).toBe('ok')
}

test.each(names)(
  'while the %s service is killed again and again, no caller notices',
  async (name) => {
    const killed = new Set<number>()
    await underLoad(async () => {
      while (killed.size < times) {
        await eventually(`a process of ${name}`, async () => !killed.has((await pidOf(name)) ?? Number.NaN))
        const pid = await pidOf(name)
        if (pid === null) continue
        killed.add(pid)
        process.kill(pid, 'SIGKILL')
        await delay(betweenKillsMs)
      }
    })
  },
  60_000,
)

test.each(names)(
  'while the %s service is restarted again and again, no caller notices',
  async (name) => {
    await underLoad(async () => {
      for (let i = 0; i < times; i++) await keel.client.services.restartService({ params: { name } })
    })
  },
  60_000,
)
