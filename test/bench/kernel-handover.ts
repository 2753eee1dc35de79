import { setTimeout as delay } from 'node:timers/promises'
import { findHandover } from '#kernel/handover/record.ts'
import { homePaths } from '#kernel/home.ts'
import { type Daemon, eventually } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { startStrangers } from '../support/handover-load.ts'
import { startUpstream } from '../support/upstream.ts'
import type { Bench } from './bench.ts'
import { startBenchDaemon } from './bench-daemon.ts'
import { mixedModel, startMixedLoad } from './mixed-load.ts'
import { quantile } from './quantile.ts'

const strangers = 2
const connections = 4
const settleMs = 1_000
const handoverDeadlineMs = 60_000

export const kernelHandover: Bench = {
  about: `kernel after kernel on one listening socket, under ${connections} callers with mixed requests and ${strangers} who connect anew each time`,
  async run({ quick, seed, say }) {
    const upstream = await startUpstream(mixedModel)
    const keel = await startBenchDaemon(upstream.url)
    const visitors = startStrangers(keel, strangers)
    const load = await startMixedLoad(keel, { connections, seed })
    const watcher = new EventFollower(keel)
    const watching = watcher.keepFollowing()
    try {
      await delay(settleMs)
      const calm = visitors.longestMs
      const gaps: number[] = []
      const silences: number[] = []
      const totals: number[] = []
      for (let n = 1; n <= (quick ? 3 : 20); n++) {
        const { gap_ms, ms, silenceMs } = await handOver(keel, visitors)
        say(`handover ${n}: nobody accepted for ${gap_ms} ms, ${Math.round(ms)} ms in all`)
        gaps.push(gap_ms)
        silences.push(silenceMs)
        totals.push(ms)
        await delay(settleMs)
      }
      await Promise.all([visitors.stop(), load.stop()])
      const refused = visitors.failures.filter((failure) => failure === 'refused').length
      const failed = load.errands.filter(({ outcome }) => outcome !== 'ok')
      for (const why of [...visitors.failures, ...failed.map((errand) => `${errand.kind}: ${errand.why}`)]) say(why)
      const count = { unit: 'count', gross: { atMost: 0 } }
      return [
        { what: 'connections refused', value: refused, goal: { atMost: 0 }, ...count },
        {
          what: `requests failed, of ${visitors.answered + load.errands.length}`,
          value: visitors.failures.length - refused + failed.length,
          goal: { atMost: 0 },
          ...count,
        },
        { what: 'events missing at a /ws client that resumes', value: watcher.missing.length, ...count },
        { what: 'nobody accepts, median', value: quantile(gaps, 0.5), unit: 'ms', goal: { atMost: 500 } },
        { what: 'nobody accepts, longest', value: Math.max(...gaps), unit: 'ms' },
        {
          what: 'last answer of the old to first of the new, median',
          value: quantile(silences, 0.5),
          unit: 'ms',
          goal: { atMost: 500 },
        },
        { what: 'last answer of the old to first of the new, longest', value: Math.max(...silences), unit: 'ms' },
        { what: 'longest wait of a caller who connects anew', value: visitors.longestMs, unit: 'ms' },
        { what: 'the same before the first handover', value: calm, unit: 'ms' },
        { what: 'from the signal until the new kernel serves, median', value: quantile(totals, 0.5), unit: 'ms' },
      ]
    } finally {
      await Promise.all([visitors.stop(), load.stop()])
      await watching.stop()
      await keel.stop()
      await keel.dispose()
      await upstream.close()
    }
  },
}

async function handOver({ home: root, pid }: Daemon, visitors: { answeredAt: number[] }) {
  const home = homePaths(root)
  const earlier = findHandover(home)?.id
  visitors.answeredAt.length = 0
  const startedAt = performance.now()
  process.kill(pid, 'SIGHUP')
  await eventually(
    'a handover',
    () => {
      const record = findHandover(home)
      if (record && record.id !== earlier && record.state === 'failed') throw new Error(`it failed: ${record.reason}`)
      return record?.id !== earlier && record?.state === 'done'
    },
    handoverDeadlineMs,
  )
  const ms = performance.now() - startedAt
  // The first answer of the new kernel.
  const before = visitors.answeredAt.length
  await eventually('an answer', () => visitors.answeredAt.length > before, handoverDeadlineMs)
  const silences = visitors.answeredAt.slice(1).map((at, n) => at - (visitors.answeredAt[n] ?? at))
  return { gap_ms: findHandover(home)?.gap_ms ?? Number.NaN, ms, silenceMs: Math.max(...silences) }
}
