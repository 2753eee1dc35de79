import { setTimeout as delay } from 'node:timers/promises'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { rssMb } from '../support/process-memory.ts'
import type { Bench, BenchOptions, Figure } from './bench.ts'
import { unlimited } from './bench-daemon.ts'
import { quantile } from './quantile.ts'

const callers = 2
/** What the callers leave of the machine to whom they call, in milliseconds. */
const pauseMs = 5
const lostMs = 10_000
const goalMs = 500
const grossMs = 5_000
const flatPercent = 10

export interface Guest {
  /** Writes its file so that it answers with this number. */
  save(version: number): void
  /** One call: the number that it answers with. Throws when the call fails. */
  ask(): Promise<number>
  /** The processes whose memory is watched, by name. */
  processes(): Promise<Record<string, number>>
}

/** A daemon with a guest that is saved again and again while it is called. */
export function reloadBench(about: string, guestOf: (keel: Daemon) => Guest): Bench {
  return {
    about,
    async run(options) {
      const keel = await startDaemon({ config: unlimited })
      try {
        const guest = guestOf(keel)
        const answers = () =>
          guest.ask().then(
            () => true,
            () => false,
          )
        await eventually('the guest is there', answers, 20_000)
        return await reloadOften(guest, options)
      } finally {
        await keel.dispose()
      }
    },
  }
}

/** Watches how soon callers see what is saved, and what stays in memory. */
async function reloadOften(guest: Guest, { quick, say }: BenchOptions): Promise<Figure[]> {
  const warmUp = quick ? 20 : 250
  const reloads = quick ? 50 : 1_000
  const seen = startCallers(guest)
  try {
    let version = 1
    await seen.until(version)
    for (let n = 0; n < warmUp; n++) await reload(guest, seen, ++version)
    const before = await guest.processes()
    const times: number[] = []
    const memory: Record<string, number>[] = []
    for (let n = 0; n < reloads; n++) {
      times.push(await reload(guest, seen, ++version))
      memory.push(Object.fromEntries(Object.entries(before).map(([name, pid]) => [name, rssMb(pid)])))
      if ((n + 1) % 250 === 0) say(`${n + 1} of ${reloads}`)
    }
    const after = await guest.processes()
    const { calls, failures } = await seen.stop()
    for (const failure of new Set(failures)) say(failure)
    const replaced = Object.keys(before).filter((name) => before[name] !== after[name]).length
    return [
      ...[0.5, 0.99].map((share) => ({
        what: `save to live, ${reloads} times`,
        value: quantile(times, share),
        unit: `ms p${share * 100}`,
        goal: { atMost: goalMs },
        gross: { atMost: grossMs },
      })),
      none(`calls that failed, of ${calls}`, failures.length),
      none('processes that ended', replaced),
      ...Object.keys(before).flatMap((name) =>
        memoryFigures(
          name,
          memory.map((sample) => sample[name] ?? 0),
        ),
      ),
    ]
  } finally {
    await seen.stop()
  }
}

async function reload(guest: Guest, seen: Callers, version: number): Promise<number> {
  const savedAt = performance.now()
  guest.save(version)
  return (await seen.until(version)) - savedAt
}

/** The least of many samples: what waits to be collected comes and goes on top of it. */
function memoryFigures(name: string, samples: readonly number[]): Figure[] {
  const tenth = Math.ceil(samples.length / 10)
  const first = Math.min(...samples.slice(0, tenth))
  const last = Math.min(...samples.slice(-tenth))
  return [
    { what: `${name}: memory in the last tenth`, value: last, unit: 'MB at least' },
    {
      what: `${name}: more than in the first tenth`,
      value: (last / first - 1) * 100,
      unit: 'percent',
      goal: { atMost: flatPercent },
    },
  ]
}

function none(what: string, value: number): Figure {
  return { what, value, unit: 'count', goal: { atMost: 0 }, gross: { atMost: 0 } }
}

interface Callers {
  /** Resolves with the moment when an answer of this version, or a later one, was there first. */
  until(version: number): Promise<number>
  stop(): Promise<{ calls: number; failures: string[] }>
}

function startCallers(guest: Guest): Callers {
  const failures: string[] = []
  let calls = 0
  let over = false
  let newest = 0
  let newestAt = 0
  let waiting: { version: number; tell: (at: number) => void } | undefined

  async function keepAsking() {
    while (!over) {
      const atLeast = newest
      calls += 1
      try {
        const version = await guest.ask()
        if (version < atLeast) failures.push('an old version answered after a new one')
        if (version > newest) {
          newest = version
          newestAt = performance.now()
        }
        if (waiting && newest >= waiting.version) waiting.tell(newestAt)
      } catch (thrown) {
        failures.push(thrown instanceof Error ? thrown.message : String(thrown))
      }
      await delay(pauseMs)
    }
  }

  const asking = Promise.all(Array.from({ length: callers }, keepAsking))
  return {
    until(version) {
      if (newest >= version) return Promise.resolve(newestAt)
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`Version ${version} was not live within ${lostMs} ms`)), lostMs)
        waiting = {
          version,
          tell(at) {
            clearTimeout(late)
            waiting = undefined
            resolve(at)
          },
        }
      })
    },
    async stop() {
      over = true
      await asking
      return { calls, failures }
    },
  }
}
