import { request } from 'undici'
import type { Daemon } from '../support/daemon.ts'
import type { Bench } from './bench.ts'
import { question, startBenchDaemon } from './bench-daemon.ts'
import { load } from './load.ts'
import { quantile } from './quantile.ts'
import { startServer } from './servers/server-process.ts'

/** A long history is another question: each session has so many turns, and then the next begins. */
const turnsPerSession = 10

export const agentTurn: Bench = {
  about: "what an agent's turn adds to its one model call: stored before it is accepted, journalled step by step",
  async run({ quick }) {
    const upstream = await startServer('upstream')
    const keel = await startBenchDaemon(upstream.url)
    const rounds = quick ? 3 : 5
    const sessions = quick ? 5 : 15
    const direct = { url: `${upstream.url}/v1/chat/completions`, body: { model: 'test-model', messages: question } }
    try {
      const added: number[] = []
      const p99: number[] = []
      let failed = 0
      for (let round = -1; round < rounds; round++) {
        const base = await load(direct, 1, 1)
        const turns = await takeTurns(keel, sessions)
        failed += turns.failed
        // The first round warms up.
        if (round < 0) continue
        added.push(quantile(turns.times, 0.5) - base.p50)
        p99.push(quantile(turns.times, 0.99) - base.p99)
      }
      return [
        { what: 'added by the agent', value: quantile(added, 0.5), unit: 'ms p50', goal: { atMost: 8 } },
        { what: 'added by the agent', value: quantile(p99, 0.5), unit: 'ms p99' },
        { what: 'failed', value: failed, unit: 'count', goal: { atMost: 0 }, gross: { atMost: 0 } },
      ]
    } finally {
      await keel.dispose()
      upstream.close()
    }
  },
}

/** One turn after the other; each takes so many milliseconds. */
async function takeTurns({ url, apiKey, client }: Daemon, sessions: number) {
  const times: number[] = []
  let failed = 0
  for (let session = 0; session < sessions; session++) {
    const { id } = await client.sessions.createSession({ body: { nickname: `Session ${session}` } })
    for (let turn = 0; turn < turnsPerSession; turn++) {
      const askedAt = performance.now()
      const { statusCode, body } = await request(`${url}/api/agent/message`, {
        method: 'POST',
        headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
        body: JSON.stringify({ content: `What is the capital of France? (${turn})`, session_id: id, no_cache: true }),
      })
      await body.dump()
      times.push(performance.now() - askedAt)
      if (statusCode !== 200) failed += 1
    }
  }
  return { times, failed }
}
