import { setTimeout as delay } from 'node:timers/promises'
import { type Daemon, startDaemon } from '../support/daemon.ts'

const services = ['agent', 'inference', 'memory', 'tools'] as const
/** Between two blows, in milliseconds. */
const pauseMs = { least: 500, most: 4_000 }
/** The shares of blows that hit the kernel, and that are planned restarts of a service. */
const kernelShare = 0.08
const restartShare = 0.25

/** While nobody could answer, by `performance.now()`. */
export interface Outage {
  from: number
  to: number
}

export interface Storm {
  kills: number
  kernelKills: number
  restarts: number
  outages: Outage[]
}

export interface StormOptions {
  /** The daemon of the moment. */
  current(): Daemon
  /** Called with the next one after the kernel was killed; its address and home are the same. */
  replace(next: Daemon): void
  random(): number
  forMs: number
  killsKernel: boolean
}

/** Kills and restarts at random for a while, one process at a time. What it did is told as it goes, in the returned object. */
export function startStorm(options: StormOptions): { storm: Storm; over: Promise<void> } {
  const storm: Storm = { kills: 0, kernelKills: 0, restarts: 0, outages: [] }
  return { storm, over: rage(options, storm) }
}

async function rage({ current, replace, random, forMs, killsKernel }: StormOptions, storm: Storm): Promise<void> {
  const until = performance.now() + forMs
  while (performance.now() < until) {
    await delay(pauseMs.least + random() * (pauseMs.most - pauseMs.least))
    const name = services[Math.floor(random() * services.length)] ?? 'agent'
    const blow = random()
    if (killsKernel && blow < kernelShare) {
      storm.kernelKills += 1
      const from = performance.now()
      const outage: Outage = { from, to: Number.POSITIVE_INFINITY }
      storm.outages.push(outage)
      await current().stop('SIGKILL')
      const { port } = new URL(current().url)
      replace(await startDaemon({ home: current().home, env: { KEEL_PORT: port } }))
      outage.to = performance.now()
    } else if (blow < kernelShare + restartShare) {
      storm.restarts += 1
      await current().client.services.restartService({ params: { name } })
    } else if (await killService(current(), name)) storm.kills += 1
  }
}

async function killService({ client }: Daemon, name: string): Promise<boolean> {
  const { services: all } = await client.services.listServices()
  const pid = all.find((service) => service.name === name)?.pid
  if (!pid) return false
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    // It has just gone by itself.
    return false
  }
}
