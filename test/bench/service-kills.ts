import { setTimeout as delay } from 'node:timers/promises'
import type { Daemon } from '../support/daemon.ts'
import { startUpstream } from '../support/upstream.ts'
import type { Bench, Figure } from './bench.ts'
import { startBenchDaemon } from './bench-daemon.ts'
import { type Errand, mixedModel, startMixedLoad } from './mixed-load.ts'
import { quantile } from './quantile.ts'
import { startWatchers, type Watchers } from './watchers.ts'

const services = ['inference', 'agent', 'tools']
/** On the path of every request; the others may be noticed later. */
const hot = ['inference', 'agent']
const killEveryMs = 2_000
const watchers = 4
const settleMs = 1_000
const startDeadlineMs = 10_000
const pollMs = 20
interface Scene {
  keel: Daemon
  watch: Watchers
  seed: number
}

/** Milliseconds that pass until something is noticed or mended, by service. */
type Times = Record<string, number[]>

/** The service's process, as soon as there is one. */
async function pidOf({ keel }: Scene, name: string): Promise<number> {
  const until = performance.now() + startDeadlineMs
  while (performance.now() < until) {
    const { services: listed } = await keel.client.services.listServices()
    const pid = listed.find((service) => service.name === name)?.pid
    if (pid) return pid
    await delay(pollMs)
  }
  throw new Error(`${name} has no process`)
}

/** Sends the signal; returns when the service was seen to be gone and when it was back, in milliseconds from then. */
async function strike(scene: Scene, name: string, signal: 'SIGKILL' | 'SIGSTOP') {
  const pid = await pidOf(scene, name)
  const at = performance.now()
  process.kill(pid, signal)
  const isIt = (state: (state: string) => boolean) => (change: { service: string; state: string }) =>
    change.service === name && state(change.state)
  const gone = await scene.watch.sees(
    `${name} is gone`,
    isIt((state) => state !== 'ready'),
    at,
  )
  const back = await scene.watch.sees(
    `${name} is back`,
    isIt((state) => state === 'ready'),
    gone.at,
  )
  return { gone: gone.at - at, back: back.at - at }
}

/** One service after the other, one every two seconds; returns how long each was away. */
async function kill(scene: Scene, seconds: number): Promise<number[]> {
  const away: number[] = []
  const startedAt = performance.now()
  for (let n = 0; n * killEveryMs < seconds * 1000; n++) {
    await delay(Math.max(0, startedAt + n * killEveryMs - performance.now()))
    away.push((await strike(scene, services[n % services.length] ?? 'agent', 'SIGKILL')).back)
  }
  await delay(settleMs)
  return away
}

async function stop(scene: Scene, rounds: number): Promise<Times> {
  const noticed: Times = {}
  for (let round = 0; round < rounds; round++) {
    for (const name of services) {
      noticed[name] = [...(noticed[name] ?? []), (await strike(scene, name, 'SIGSTOP')).gone]
      await delay(settleMs)
    }
  }
  return noticed
}

async function restart({ keel }: Scene, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const name of services) {
      await keel.client.services.restartService({ params: { name } })
      await delay(settleMs / 4)
    }
  }
  await delay(settleMs)
}

/** What was asked while `harm` was done. */
async function underLoad<T>(scene: Scene, connections: number, harm: () => Promise<T>) {
  const load = await startMixedLoad(scene.keel, { connections, seed: scene.seed })
  await delay(settleMs)
  const before = load.errands.length
  try {
    const result = await harm()
    return { result, errands: load.errands.slice(before) }
  } finally {
    await load.stop()
  }
}

const timesOf = (errands: readonly Errand[]) => errands.map(({ ms }) => ms)
const worst = (times: readonly number[]) => times.reduce((most, ms) => Math.max(most, ms), 0)

/** Requests, failures, the slowest and the streams told of their end, of one phase. */
function figuresOf(title: string, errands: Errand[], say: (line: string) => void, slowestGoalMs?: number): Figure[] {
  const of = (outcome: Errand['outcome']) => errands.filter((errand) => errand.outcome === outcome)
  for (const { kind, why } of of('failed').slice(0, 5)) say(`${title}: failed: ${kind}: ${why?.slice(0, 300)}`)
  const slowest = errands.reduce((most, errand) => (errand.ms > most.ms ? errand : most))
  say(`${title}: slowest: ${slowest.kind}, ${Math.round(slowest.ms)} ms`)
  return [
    { what: `${title}: requests`, value: errands.length, unit: 'count' },
    { what: `${title}: failed`, value: of('failed').length, unit: 'count', goal: { atMost: 0 }, gross: { atMost: 0 } },
    { what: `${title}: streams told of a break after their first byte`, value: of('broken').length, unit: 'count' },
    {
      what: `${title}: slowest request`,
      value: slowest.ms,
      unit: 'ms',
      ...(slowestGoalMs !== undefined && { goal: { atMost: slowestGoalMs } }),
    },
  ]
}

async function measure(
  scene: Scene,
  connections: number,
  quick: boolean,
  say: (line: string) => void,
): Promise<Figure[]> {
  const at = `at ${connections}`
  say(`${at} connections: in peace`)
  const peace = (await underLoad(scene, connections, () => delay(quick ? 3_000 : 10_000))).errands
  say(`${at} connections: each service is killed in turn`)
  const kills = await underLoad(scene, connections, () => kill(scene, quick ? 10 : 60))
  say(`${at} connections: each service is stopped in its tracks`)
  const stops = await underLoad(scene, connections, () => stop(scene, quick ? 1 : 3))
  say(`${at} connections: each service is restarted`)
  const restarts = await underLoad(scene, connections, () => restart(scene, quick ? 2 : 5))
  const noticed = (names: string[]) => worst(names.flatMap((name) => stops.result[name] ?? []))
  return [
    ...figuresOf(`in peace ${at}`, peace, say),
    ...figuresOf(`kills ${at}`, kills.errands, say, 1_000),
    { what: `kills ${at}: service back, p95`, value: quantile(kills.result, 0.95), unit: 'ms', goal: { atMost: 300 } },
    { what: `kills ${at}: service back, p50`, value: quantile(kills.result, 0.5), unit: 'ms' },
    ...[0.5, 0.99].map((share) => ({
      what: `kills ${at}: p${share * 100} to that in peace`,
      value: quantile(timesOf(kills.errands), share) / quantile(timesOf(peace), share),
      unit: 'ratio',
    })),
    ...figuresOf(`stops ${at}`, stops.errands, say),
    { what: `stops ${at}: noticed, hot services`, value: noticed(hot), unit: 'ms', goal: { atMost: 1_200 } },
    { what: `stops ${at}: noticed, others`, value: noticed(['tools']), unit: 'ms', goal: { atMost: 3_500 } },
    ...figuresOf(`restarts ${at}`, restarts.errands, say, 1_000),
  ]
}

export const serviceKills: Bench = {
  about: 'Services killed, stopped and restarted one after the other under mixed load, against the same load in peace.',
  async run({ quick, seed, say }) {
    const upstream = await startUpstream(mixedModel)
    const keel = await startBenchDaemon(upstream.url)
    const watch = await startWatchers(keel, watchers)
    try {
      const figures: Figure[] = []
      for (const connections of [16, 50])
        figures.push(...(await measure({ keel, watch, seed }, connections, quick, say)))
      const lost = { what: '/ws clients: events lost or connections ended', value: watch.losses, unit: 'count' }
      figures.push({ ...lost, goal: { atMost: 0 }, gross: { atMost: 0 } })
      return figures
    } finally {
      watch.close()
      await keel.dispose()
      await upstream.close()
    }
  },
}
