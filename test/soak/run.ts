import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { unlimited } from '../bench/bench-daemon.ts'
import { type Errand, mixedModel, startMixedLoad } from '../bench/mixed-load.ts'
import { quantile } from '../bench/quantile.ts'
import { openTurnRecords } from '../bench/turn-records.ts'
import { type Daemon, eventually, isAlive, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { freePort } from '../support/free-port.ts'
import { pssMb } from '../support/process-memory.ts'
import { treePids } from '../support/processes.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { startUpstream } from '../support/upstream.ts'
import { type Growth, watchMemory } from './memory-watch.ts'
import { type Outage, startStorm } from './storm.ts'

/*
 * `npm run soak -- --minutes 30`: a mixed load for as long as asked. In the first half processes are killed and
 * restarted at random, the kernel among them; in the second nobody is, and memory and open files must stay as they are.
 * Ends with 1 and a list when something did not hold.
 */

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    connections: { type: 'string', default: '16' },
    'no-kernel-kills': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})

const totalMs = Number(flags.minutes) * 60_000
/** At the beginning of the second half: processes that have just begun grow for a while. */
const warmUpMs = Math.min(60_000, totalMs / 8)
const progressMs = 10_000
const settleMs = 30_000
/** Requests under way when the kernel was killed, and those that came too early, are not the kernel's fault. */
const outageMarginMs = 500
const followers = 3
const limits = { mbPerMinute: 1, filesRatio: 1.1, judgedMinutes: 2.5 }

const home = mkdtempSync(join(tmpdir(), 'keel-soak-'))
const upstream = await startUpstream(mixedModel)
let keel: Daemon = await startDaemon({
  home,
  env: { KEEL_PORT: String(await freePort()) },
  config: upstreamConfig(upstream.url, unlimited),
})
const random = seededRandom(Number(flags.seed))
const load = await startMixedLoad(keel, { connections: Number(flags.connections), seed: Number(flags.seed) })
const listeners = Array.from({ length: followers }, () => new EventFollower(keel))
const following = listeners.map((listener) => listener.keepFollowing())
const { storm, over: stormOver } = startStorm({
  current: () => keel,
  replace: (next) => {
    keel = next
  },
  random,
  forMs: totalMs / 2,
  killsKernel: !flags['no-kernel-kills'],
})
const progress = setInterval(() => say(state()), progressMs)

say(`${flags.minutes} minutes in ${home}`)
await stormOver
say('the storm is over')
await delay(warmUpMs)
const growth = await watchMemory(await processes(), totalMs / 2 - warmUpMs)

await load.stop()
const records = openTurnRecords(home)
await eventually('all turns are over', () => records.running() === 0, settleMs)
const unanswered = records.unanswered()
const turns = records.newest()
records.close()
clearInterval(progress)
const tree = treePids(keel.pid)
const exitCode = await keel.stop('SIGTERM')
await Promise.all(following.map((follower) => follower.stop()))
const leftOver = tree.filter(isAlive)
await upstream.close()

const faults = verdict()
const errands = load.errands
const times = errands.filter(({ outcome }) => outcome === 'ok').map(({ ms }) => ms)
say(
  `${errands.length} requests, ${turns} turns, p50 ${quantile(times, 0.5).toFixed(0)} ms, p99 ${quantile(times, 0.99).toFixed(0)} ms`,
)
say(`${storm.kills} services and ${storm.kernelKills} kernels killed, ${storm.restarts} services restarted`)
for (const one of growth) say(growthText(one))
if (flags.json !== undefined) {
  const { outages: _, ...blows } = storm
  const result = { ...flags, requests: errands.length, turns, ...blows, growth, faults }
  writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`)
}
for (const fault of faults) process.stderr.write(`${fault}\n`)
if (faults.length === 0) {
  say('all of it held')
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
} else say(`what is left is in ${home}`)
process.exit(faults.length > 0 ? 1 : 0)

function say(line: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)}  ${line}\n`)
}

function state(): string {
  const { errands } = load
  const pss = treePids(keel.pid)
    .map((pid) => {
      try {
        return pssMb(pid)
      } catch {
        // It has just ended.
        return 0
      }
    })
    .reduce((sum, mb) => sum + mb, 0)
  const failed = errands.filter((errand) => errand.outcome === 'failed').length
  const blows = `${storm.kills + storm.kernelKills} killed, ${storm.restarts} restarted`
  return `${errands.length} requests, ${failed} failed, ${blows}, ${pss.toFixed(0)} MB, ${listeners[0]?.events.length} events`
}

async function processes(): Promise<Map<string, number>> {
  const { services } = await keel.client.services.listServices()
  return new Map([['kernel', keel.pid], ...services.flatMap(({ name, pid }) => (pid ? [[name, pid] as const] : []))])
}

function isDuring(outages: readonly Outage[], { endedAt, ms }: Errand): boolean {
  return outages.some(({ from, to }) => endedAt > from - outageMarginMs && endedAt - ms < to + outageMarginMs)
}

function verdict(): string[] {
  const wrong = load.errands.filter((errand) => errand.outcome === 'failed' && !isDuring(storm.outages, errand))
  const judged = growth.filter(({ minutes }) => minutes >= limits.judgedMinutes)
  if (judged.length === 0) say(`no process was watched for ${limits.judgedMinutes} minutes: memory is not judged`)
  return [
    ...wrong.slice(0, 10).map(({ kind, why }) => `${kind} failed: ${why?.slice(0, 300)}`),
    ...(wrong.length > 10 ? [`and ${wrong.length - 10} more failed`] : []),
    ...(unanswered > 0 ? [`${unanswered} messages do not have exactly one answer`] : []),
    ...listeners.flatMap(({ faults }) => faults.slice(0, 3).map((fault) => `events: ${fault}`)),
    ...judged
      .filter(({ mbPerMinute, filesRatio }) => mbPerMinute > limits.mbPerMinute || filesRatio > limits.filesRatio)
      .map((one) => `grows: ${growthText(one)}`),
    ...(exitCode === 0 ? [] : [`it ended with ${exitCode}`]),
    ...(leftOver.length > 0 ? [`processes are left over: ${leftOver.join(', ')}`] : []),
  ]
}

function growthText({ name, minutes, mbPerMinute, mbAtTheEnd, filesRatio }: Growth): string {
  const files = `open files ×${filesRatio.toFixed(2)}`
  return `${name}: ${mbPerMinute.toFixed(2)} MB a minute over ${minutes.toFixed(1)} minutes, ${mbAtTheEnd.toFixed(0)} MB at the end, ${files}`
}
