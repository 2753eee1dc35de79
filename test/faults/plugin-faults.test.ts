import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { answerWhenWell, canary, pluginFaults } from '../support/plugin-faults.ts'
import { keelWithPlugins, neighbour, type PluginHost, suffer } from '../support/plugin-house.ts'

const backWithinMs = 2_000
const faults = pluginFaults.map(({ name, body }, at) => ({ name, body, plugin: `fault-${at}` }))
const unlimited = '[server]\nper_ip_rate_limit_requests = 1000000\nper_actor_rate_limit_requests = 1000000\n'

let keel: Daemon
let host: PluginHost

beforeAll(async () => {
  keel = await startDaemon({ config: unlimited, env: { [canary.name]: canary.value } })
  host = await keelWithPlugins(keel, Object.fromEntries(faults.map(({ plugin, body }) => [plugin, body])))
}, 60_000)

afterAll(() => keel.dispose())

test.each(faults)(
  'a plugin that $name is back within 2 s, and nobody else notices',
  async ({ plugin }) => {
    const { told, backAfterMs, isUp, health, neighbour: beside } = await suffer(host, plugin, backWithinMs)
    expect(told).toBeDefined()
    expect(told).not.toBe(answerWhenWell)
    expect(told).not.toContain(canary.value)
    expect({ health: health.failures, neighbour: beside.failures, isUp }).toEqual({
      health: [],
      neighbour: [],
      isUp: true,
    })
    expect(backAfterMs).toBeLessThan(backWithinMs)
    expect(await host.call(plugin, {})).toBe(answerWhenWell)
    expect(await host.call(neighbour, {})).toBe(answerWhenWell)
  },
  20_000,
)
