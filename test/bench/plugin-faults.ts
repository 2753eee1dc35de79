import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDaemon } from '../support/daemon.ts'
import { canary, pluginFaults as faults, type PluginFault } from '../support/plugin-faults.ts'
import {
  keelWithPlugins,
  neighbour,
  type PluginHost,
  type Suffered,
  suffer,
  writePlugins,
} from '../support/plugin-house.ts'
import type { Bench, Figure } from './bench.ts'
import { unlimited } from './bench-daemon.ts'
import { startServer } from './servers/server-process.ts'

const plugin = 'bad-guest'
const goalMs = 2_000
/** For the host without walls, which nobody starts again. */
const patienceMs = 8_000

export const pluginFaults: Bench = {
  about: 'five things that a plugin can do to its house, in Keel and in a host that loads plugins into its own process',
  async run({ quick, say }) {
    const figures: Figure[] = []
    for (const fault of faults) {
      say(fault.name)
      figures.push(...(await keelUnder(fault, quick ? 1 : 5)), ...(await hostWithoutWalls(fault)))
    }
    return figures
  },
}

async function keelUnder({ name, body }: PluginFault, times: number): Promise<Figure[]> {
  const keel = await startDaemon({ config: unlimited, env: { [canary.name]: canary.value } })
  try {
    const host = await keelWithPlugins(keel, { [plugin]: body })
    const suffered: Suffered[] = []
    for (let n = 0; n < times; n++) suffered.push(await suffer(host, plugin, patienceMs))
    const total = (of: (one: Suffered) => number) => suffered.reduce((sum, one) => sum + of(one), 0)
    const asked = total(({ health }) => health.asked)
    const longest = Math.max(...suffered.map(({ health }) => health.longestMs))
    const back = Math.max(...suffered.map(({ backAfterMs }) => backAfterMs ?? patienceMs))
    const at = `${name}, Keel`
    return [
      none(
        `${at}: the kernel's process is another`,
        total(({ isUp }) => (isUp ? 0 : 1)),
      ),
      none(
        `${at}: health failed, of ${asked}`,
        total(({ health }) => health.failures.length),
      ),
      { what: `${at}: longest wait for health`, value: longest, unit: 'ms' },
      none(
        `${at}: calls of another plugin failed`,
        total((one) => one.neighbour.failures.length),
      ),
      none(`${at}: told the key of the house`, total(toldKey)),
      { what: `${at}: the plugin is back after`, value: back, unit: 'ms max', goal: { atMost: goalMs } },
    ]
  } finally {
    await keel.dispose()
  }
}

async function hostWithoutWalls({ name, body }: PluginFault): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'keel-plugins-'))
  writePlugins(folder, { [plugin]: body })
  const server = await startServer('in-process-host', folder, plugin, neighbour)
  let hasEnded = false
  const ended = server.ended.then(() => {
    hasEnded = true
  })
  const host: PluginHost = {
    async call(of, input, signal) {
      const response = await fetch(`${server.url}/${of}`, { method: 'POST', body: JSON.stringify(input), signal })
      const { output, error } = (await response.json()) as { output?: string; error?: string }
      return output ?? error ?? ''
    },
    async health(signal) {
      const { status } = await fetch(`${server.url}/health`, { signal })
      if (status !== 200) throw new Error(`/health: ${status}`)
    },
    isUp: () => !hasEnded,
  }
  try {
    const suffered = await suffer(host, plugin, patienceMs)
    const at = `${name}, a host without walls`
    const { isUp, health, neighbour: beside, backAfterMs } = suffered
    return [
      { what: `${at}: its process is gone`, value: isUp ? 0 : 1, unit: 'count' },
      { what: `${at}: health failed, of ${health.asked}`, value: health.failures.length, unit: 'count' },
      { what: `${at}: calls of another plugin failed`, value: beside.failures.length, unit: 'count' },
      { what: `${at}: told the key of the house`, value: toldKey(suffered), unit: 'count' },
      ...(backAfterMs === undefined
        ? []
        : [{ what: `${at}: the plugin is back after`, value: backAfterMs, unit: 'ms' }]),
    ]
  } finally {
    server.close()
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
}

function toldKey({ told }: Suffered): number {
  return told?.includes(canary.value) ? 1 : 0
}

function none(what: string, value: number): Figure {
  return { what, value, unit: 'count', goal: { atMost: 0 }, gross: { atMost: 0 } }
}
