import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readHome } from '../support/cron-rows.ts'
import { eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { copyJob, createPattern } from '../support/many-jobs.ts'
import { cpuMs } from '../support/process-memory.ts'
import { treePids } from '../support/processes.ts'
import type { Bench } from './bench.ts'
import { keelModel, question, unlimited } from './bench-daemon.ts'
import { load } from './load.ts'
import { quantile } from './quantile.ts'
import { startServer } from './servers/server-process.ts'

const jobs = { quick: 2_000, full: 10_000 }
const spreadMs = { quick: 12_000, full: 60_000 }
/** From the start of Keel until the first job is due. */
const leadMs = 4_000
const idleMs = 10_000
const callers = 4

export const scheduler: Bench = {
  about: 'how late jobs begin when thousands are due in a minute, what that does to chat, and what waiting costs',
  async run({ quick, say }) {
    const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
    const upstream = await startServer('upstream')
    const [count, spread] = quick ? [jobs.quick, spreadMs.quick] : [jobs.full, spreadMs.full]
    let keel = await startDaemon({ home, config: upstreamConfig(upstream.url, unlimited) })
    try {
      await createPattern(keel)
      await keel.stop()
      const from = Date.now() + leadMs
      copyJob(home, count, { from, until: from + spread })
      keel = await startDaemon({ home })
      const chat = {
        url: `${keel.url}/v1/chat/completions`,
        headers: { 'x-api-key': keel.apiKey },
        body: { model: keelModel, messages: question },
      }
      say('chat while nothing is due')
      const before = await load(chat, callers, (from - Date.now()) / 1_000)
      say(`${count} jobs within ${spread / 1_000} s`)
      const during = await load(chat, callers, spread / 1_000)
      await eventually('every job has run', () => finished(home) === count, 60_000)
      const late = readHome<{ late: number }>(
        home,
        `SELECT (julianday(started_at) - julianday(scheduled_for)) * 86400000 AS late FROM cron_runs`,
      ).map(({ late }) => late)
      say('ten thousand jobs that are due another time')
      const cpu = treeCpuMs(keel.pid)
      await delay(idleMs)
      const idle = ((treeCpuMs(keel.pid) - cpu) / idleMs) * 100
      return [
        { what: 'from due to begun', value: quantile(late, 0.5), unit: 'ms p50' },
        {
          what: 'from due to begun',
          value: quantile(late, 0.99),
          unit: 'ms p99',
          goal: { atMost: 1_000 },
          gross: { atMost: 10_000 },
        },
        {
          what: 'jobs that did not run',
          value: count - finished(home),
          unit: 'count',
          goal: { atMost: 0 },
          gross: { atMost: 0 },
        },
        {
          what: 'chat beside it, to chat before',
          value: during.p50 / before.p50,
          unit: 'ratio of p50',
          goal: { atMost: 2 },
        },
        {
          what: 'chats that failed',
          value: before.failed + during.failed,
          unit: 'count',
          goal: { atMost: 0 },
          gross: { atMost: 0 },
        },
        { what: 'waiting with these jobs, all processes', value: idle, unit: '% of a core', goal: { atMost: 2 } },
      ]
    } finally {
      await keel.dispose()
      upstream.close()
      rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    }
  },
}

function finished(home: string): number {
  return readHome<{ n: number }>(home, `SELECT count(*) AS n FROM cron_runs WHERE status = 'success'`)[0]?.n ?? 0
}

function treeCpuMs(pid: number): number {
  return treePids(pid).reduce((sum, one) => sum + cpuMs(one), 0)
}
