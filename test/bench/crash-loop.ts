import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Daemon, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { copyInstall, type InstallCopy } from '../support/install-copy.ts'
import { startUpstream } from '../support/upstream.ts'
import type { Bench, Figure } from './bench.ts'
import { unlimited } from './bench-daemon.ts'
import { type Errand, mixedModel, startMixedLoad, toolChat } from './mixed-load.ts'
import { quantile } from './quantile.ts'
import { startWatchers, type Watchers } from './watchers.ts'

const connections = 16
const settleMs = 1_000
/** A second of a process's time, as Linux counts it. */
const ticksPerSecond = 100
const loopSeconds = 30
const healDeadlineMs = 90_000
const run = promisify(execFile)

/** What ended children of this process have used of a core so far, in milliseconds. */
function childrenCpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  // The 16th and 17th field of proc_pid_stat(5), here counted from behind the name.
  return ((Number(fields[13]) + Number(fields[14])) / ticksPerSecond) * 1000
}

interface Scene {
  keel: Daemon
  watch: Watchers
  install: InstallCopy
}

/** Whether health, the bus and the command line each say that the tools service is down. */
async function saidIn({ keel, watch, install }: Scene): Promise<Record<string, boolean>> {
  const { status, checks } = await keel.client.health.getHealth()
  const { stdout } = await run(process.execPath, ['kernel/cli/keel.mjs', 'service', 'list'], {
    cwd: install.root,
    env: { PATH: process.env.PATH, KEEL_HOME: keel.home, KEEL_URL: keel.url, KEEL_API_KEY: keel.apiKey },
  })
  return {
    health: status === 'warning' && checks.services.tools === 'down',
    bus: watch.changes.some(({ service, state }) => service === 'tools' && state === 'down'),
    'command line': /^tools\s+down\b/m.test(stdout),
  }
}

/** Milliseconds until the service is back after its cause is gone: by itself, or sooner by an operator's restart. */
async function heal({ keel, watch, install }: Scene, byOperator: boolean): Promise<number> {
  install.mendService('tools')
  const at = performance.now()
  if (byOperator) await keel.client.services.restartService({ params: { name: 'tools' } })
  const isBack = ({ service, state }: { service: string; state: string }) => service === 'tools' && state === 'ready'
  return (await watch.sees('tools is back', isBack, at, healDeadlineMs)).at - at
}

/** Requests that failed, and how slow the slowest hundredth was. */
function figuresOf(title: string, errands: readonly Errand[], peace: readonly Errand[]): Figure[] {
  const p99 = (of: readonly Errand[]) =>
    quantile(
      of.map(({ ms }) => ms),
      0.99,
    )
  return [
    { what: `others, ${title}: requests`, value: errands.length, unit: 'count' },
    {
      what: `others, ${title}: failed`,
      value: errands.filter(({ outcome }) => outcome !== 'ok').length,
      unit: 'count',
      goal: { atMost: 0 },
      gross: { atMost: 0 },
    },
    {
      what: `others, ${title}: p99 to that before`,
      value: p99(errands) / p99(peace),
      unit: 'ratio',
      goal: { atMost: 1.5 },
    },
  ]
}

async function measure(scene: Scene, quick: boolean, seed: number, say: (line: string) => void): Promise<Figure[]> {
  const { keel, watch, install } = scene
  const load = await startMixedLoad(keel, { connections, seed, without: [toolChat] })
  const take = () => load.errands.splice(0)
  try {
    say('in peace')
    await delay(settleMs)
    take()
    await delay(quick ? 5_000 : loopSeconds * 1000)
    const peace = take()

    say('the tools service crashes at each start')
    install.breakService('tools')
    const beganAt = performance.now()
    const cpuBefore = childrenCpuMs(keel.pid)
    const asked = keel.client.agent.sendMessage({ body: { content: 'use a tool', no_cache: true } })
    const isTools = (wanted: string) => (change: { service: string; state: string }) =>
      change.service === 'tools' && change.state === wanted
    const first = await watch.sees('the first crash', isTools('backing_off'), beganAt)
    const down = await watch.sees('given up', isTools('down'), first.at, loopSeconds * 1000)
    const loop = take()
    const cpuMs = childrenCpuMs(keel.pid) - cpuBefore
    const told = (await asked).tool_calls.map(({ status }) => status).join()
    const said = await saidIn(scene)
    // The cause goes just after a start has failed: the next one is as far away as it can be.
    const healing = quick ? undefined : heal(scene, false)
    healing?.catch(() => {}) // Told where it is awaited.
    await delay(quick ? 3_000 : Math.max(0, beganAt + loopSeconds * 1000 - performance.now()))
    const after = take()
    await load.stop()

    say(quick ? 'the cause is gone, and an operator restarts it' : 'the cause is gone, and nobody does anything')
    const back = await (healing ?? heal(scene, true))
    const silent = Object.entries(said).filter(([, isSaid]) => !isSaid)
    for (const [where] of silent) say(`not said in: ${where}`)
    return [
      {
        what: 'given up after its first crash',
        value: (down.at - first.at) / 1000,
        unit: 's',
        goal: { atMost: loopSeconds },
      },
      {
        what: `CPU of the loop, of one core over ${loopSeconds} s`,
        value: (cpuMs / (loopSeconds * 1000)) * 100,
        unit: '%',
        goal: { atMost: 10 },
      },
      {
        what: 'places that do not say so',
        value: silent.length,
        unit: 'count',
        goal: { atMost: 0 },
        gross: { atMost: 0 },
      },
      { what: 'who needed it was told', value: told === 'error' ? 1 : 0, unit: 'count', goal: { atLeast: 1 } },
      ...figuresOf('until it is given up', loop, peace),
      ...figuresOf('once it is given up', after, peace),
      quick
        ? { what: 'back after an operator’s restart', value: back / 1000, unit: 's' }
        : { what: 'back by itself once its cause is gone', value: back / 1000, unit: 's', goal: { atMost: 60 } },
    ]
  } finally {
    await load.stop()
  }
}

export const crashLoop: Bench = {
  about: 'a service that crashes at each start: what the others notice, what it costs, and how it comes back',
  async run({ quick, seed, say }) {
    const upstream = await startUpstream(mixedModel)
    const install = copyInstall()
    const keel = await startDaemon({ install: install.root, config: upstreamConfig(upstream.url, unlimited) })
    const watch = await startWatchers(keel, 1)
    try {
      return await measure({ keel, watch, install }, quick, seed, say)
    } finally {
      watch.close()
      await keel.dispose()
      await upstream.close()
      install.remove()
    }
  },
}
