import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { startUpstream } from '../support/upstream.ts'
import type { Bench, BenchOptions, Figure } from './bench.ts'
import { unlimited } from './bench-daemon.ts'
import { askForMark, type Caller, markingModel } from './marked-turns.ts'
import { quantile } from './quantile.ts'
import { openTurnRecords } from './turn-records.ts'

const services = ['agent', 'inference', 'tools'] as const
type Victim = (typeof services)[number] | 'kernel'

const callers = 6
const points = { full: 200, quick: 20 }
/** The share of kills that hit the kernel, and of rounds in which a second process dies while the first one's loss is mended. */
const kernelShare = 0.15
const secondShare = 0.25
const secondWithinMs = 150
const staggerMs = 60
const processWaitMs = 500
/** Turns that are hit, and those that come after, take longer than in peace. */
const slowness = 1.4
/** Turns that begin after this time are not waited for. */
const lostMs = 30_000
interface Scene {
  home: string
  keel: Daemon
  records: ReturnType<typeof openTurnRecords>
  toldOf: ReadonlySet<string>
  sessions: string[]
  random: () => number
  /** How many marks were asked for. */
  marks: number
}

interface Tally {
  kills: Record<Victim, number>
  turns: number
  unknown: number
  faults: string[]
  /** What callers met while the kernel lived. */
  failed: string[]
  /** From a kill to the answers of the turns that it hit, in milliseconds. */
  recovery: number[]
  kernelRecovery: number[]
  places: Map<string, number>
}

/** Callers by both doors, each in a session of its own, that begin within a short time of each other. */
async function startCallers(scene: Scene): Promise<Caller[]> {
  return Promise.all(
    scene.sessions.map(async (session, index) => {
      await delay(scene.random() * staggerMs)
      scene.marks += 1
      return askForMark(scene.keel, session, `mark-${scene.marks}`, index % 2 === 0)
    }),
  )
}

/** Kills the service's process of the moment; false when there is none. */
function kill(home: string, name: string): boolean {
  const folder = join(home, 'run', 'children')
  for (const file of readdirSync(folder)) {
    try {
      const record = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { name: string }
      if (record.name === name) return process.kill(Number.parseInt(file, 10), 'SIGKILL')
    } catch {
      // It is being written, or its process has just gone.
    }
  }
  return false
}

/** Kills the service as soon as it has a process; one that is not needed has none. Returns when that was. */
async function killService(scene: Scene, name: Victim, tally: Tally): Promise<number> {
  const until = performance.now() + processWaitMs
  while (performance.now() < until) {
    if (kill(scene.home, name)) {
      tally.kills[name] += 1
      break
    }
    await delay(5)
  }
  return performance.now()
}

/** One round: turns begin, one or two processes die at random moments, and everything is looked at when all is over. */
async function round(scene: Scene, typicalMs: number, tally: Tally): Promise<void> {
  const { random, records } = scene
  const before = records.newest()
  const begun = startCallers(scene)
  const kernelDies = random() < kernelShare
  const first = services[Math.floor(random() * services.length)] ?? 'agent'
  const second = services[Math.floor(random() * services.length)] ?? 'agent'
  await delay(random() * slowness * (typicalMs + staggerMs))
  for (const place of records.places()) tally.places.set(place, (tally.places.get(place) ?? 0) + 1)

  let killedAt = performance.now()
  if (kernelDies) {
    await scene.keel.stop('SIGKILL')
    tally.kills.kernel += 1
    const { port } = new URL(scene.keel.url)
    scene.keel = await startDaemon({ home: scene.home, env: { KEEL_PORT: port } })
  } else killedAt = await killService(scene, first, tally)
  if (random() < secondShare) {
    await delay(random() * secondWithinMs)
    const again = await killService(scene, second, tally)
    // The callers of a killed kernel have gone with it; what is measured there is how soon all is finished.
    if (!kernelDies) killedAt = again
  }
  const asked = await begun
  const wrong = (await Promise.all(asked.map((caller) => caller.wrong))).filter((text) => text !== undefined)
  await eventually('all turns are over', () => records.running() === 0, lostMs)
  if (kernelDies) tally.kernelRecovery.push(performance.now() - killedAt)
  else {
    tally.failed.push(...wrong)
    for (const { endedAt } of asked) if (endedAt > killedAt) tally.recovery.push(endedAt - killedAt)
  }
  const { turns, unknown, faults } = records.faultsSince(before, scene.toldOf)
  tally.turns += turns
  tally.unknown += unknown
  tally.faults.push(...faults)
  // Callers of a kernel that lives are accepted, every one.
  if (!kernelDies && turns !== asked.length) tally.faults.push(`${asked.length} asked and ${turns} turns are on record`)
}

/** How long a turn takes when nothing dies, in milliseconds. */
async function measurePeace(scene: Scene): Promise<number> {
  const times: number[] = []
  for (let rounds = 0; rounds < 3; rounds++) {
    const askedAt = performance.now()
    const asked = await startCallers(scene)
    const wrong = await Promise.all(asked.map((caller) => caller.wrong))
    const [fault] = wrong.filter((text) => text !== undefined)
    if (fault !== undefined) throw new Error(`In peace: ${fault}`)
    times.push(...asked.map(({ endedAt }) => endedAt - askedAt - staggerMs / 2))
  }
  return quantile(times.slice(callers), 0.5)
}

async function run({ quick, seed, say }: BenchOptions): Promise<Figure[]> {
  const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  const model = markingModel()
  const upstream = await startUpstream(model.reply)
  const keel = await startDaemon({ home, config: upstreamConfig(upstream.url, unlimited) })
  const scene: Scene = {
    home,
    keel,
    records: openTurnRecords(home),
    toldOf: model.toldOf,
    sessions: [],
    random: seededRandom(seed),
    marks: 0,
  }
  const tally: Tally = {
    kills: { agent: 0, inference: 0, tools: 0, kernel: 0 },
    turns: 0,
    unknown: 0,
    faults: [],
    failed: [],
    recovery: [],
    kernelRecovery: [],
    places: new Map(),
  }
  const killed = () => Object.values(tally.kills).reduce((sum, n) => sum + n, 0)
  try {
    for (let n = 0; n < callers; n++) {
      const { id } = await keel.client.sessions.createSession({ body: { nickname: `Caller ${n}` } })
      scene.sessions.push(id)
    }
    const typicalMs = await measurePeace(scene)
    say(`a turn takes ${Math.round(typicalMs)} ms in peace`)
    for (let said = 0; killed() < (quick ? points.quick : points.full); ) {
      await round(scene, typicalMs, tally)
      if (killed() < said + 20) continue
      said = killed()
      say(`${said} kills, ${tally.turns} turns, ${tally.faults.length + tally.failed.length} violations`)
    }
    const unanswered = scene.records.unanswered()
    if (unanswered > 0) tally.faults.push(`${unanswered} messages do not have exactly one answer`)
  } finally {
    await scene.keel.dispose()
    await upstream.close()
    scene.records.close()
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
  for (const fault of [...tally.faults, ...tally.failed].slice(0, 20)) say(fault)
  for (const [place, times] of [...tally.places].sort()) say(`turns hit at ${place}: ${times}`)
  return figuresOf(tally, killed())
}

function figuresOf(
  { kills, turns, unknown, faults, failed, recovery, kernelRecovery }: Tally,
  killed: number,
): Figure[] {
  const none = { goal: { atMost: 0 }, gross: { atMost: 0 } }
  return [
    { what: 'kill points', value: killed, unit: 'count' },
    ...Object.entries(kills).map(([name, value]) => ({ what: `kill points: ${name}`, value, unit: 'count' })),
    { what: 'turns', value: turns, unit: 'count' },
    { what: 'turns whose write has an unknown outcome, of which the model is told', value: unknown, unit: 'count' },
    { what: 'violations', value: faults.length, unit: 'count', ...none },
    { what: 'callers failed while the kernel lived', value: failed.length, unit: 'count', ...none },
    { what: 'service killed: to the answer, p50', value: quantile(recovery, 0.5), unit: 'ms' },
    { what: 'service killed: to the answer, max', value: quantile(recovery, 1), unit: 'ms' },
    { what: 'kernel killed: to all answers, p50', value: quantile(kernelRecovery, 0.5), unit: 'ms' },
    { what: 'kernel killed: to all answers, max', value: quantile(kernelRecovery, 1), unit: 'ms' },
  ]
}

export const turnKills: Bench = {
  about:
    'Turns with tools whose agent, inference, tools or kernel is killed at a random moment: what completes, once, and how soon.',
  run,
}
