import { setTimeout as delay } from 'node:timers/promises'
import { pssMb } from '../support/process-memory.ts'
import { treePids } from '../support/processes.ts'
import type { Bench } from './bench.ts'
import { keelModel, question, startBenchDaemon } from './bench-daemon.ts'
import { load } from './load.ts'
import { startServer } from './servers/server-process.ts'

const settleMs = 5_000

export const processMemory: Bench = {
  about: 'what all processes of Keel take together: proportional set size, idle after the start and after a load',
  async run({ quick, say }) {
    const upstream = await startServer('upstream')
    const keel = await startBenchDaemon(upstream.url)
    const chat = {
      url: `${keel.url}/v1/chat/completions`,
      headers: { 'x-api-key': keel.apiKey },
      body: { model: keelModel, messages: question },
    }
    const measure = () => treePids(keel.pid).reduce((sum, pid) => sum + pssMb(pid), 0)
    try {
      say('idle after the start')
      await delay(settleMs)
      const fresh = measure()
      const processes = treePids(keel.pid).length
      say('after a load')
      await load(chat, 16, quick ? 3 : 20)
      await delay(settleMs)
      return [
        { what: `idle after the start, ${processes} processes`, value: fresh, unit: 'MB PSS', goal: { atMost: 220 } },
        { what: 'idle after a load', value: measure(), unit: 'MB PSS' },
      ]
    } finally {
      await keel.dispose()
      upstream.close()
    }
  },
}
