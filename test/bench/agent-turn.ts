import type { Bench } from './bench.ts'
import { question, startBenchDaemon } from './bench-daemon.ts'
import { load } from './load.ts'
import { quantile } from './quantile.ts'
import { startServer } from './servers/server-process.ts'

export const agentTurn: Bench = {
  about: "what an agent's turn adds to its one model call: stored before it is accepted, journalled step by step",
  async run({ quick }) {
    const upstream = await startServer('upstream')
    const keel = await startBenchDaemon(upstream.url)
    const rounds = quick ? 3 : 5
    const seconds = quick ? 1 : 3
    const direct = { url: `${upstream.url}/v1/chat/completions`, body: { model: 'test-model', messages: question } }
    try {
      const added: number[] = []
      const p99: number[] = []
      let failed = 0
      for (let round = -1; round < rounds; round++) {
        // A session of its own each round: a long history is another question.
        const { id } = await keel.client.sessions.createSession({ body: { nickname: `Round ${round}` } })
        const turn = {
          url: `${keel.url}/api/agent/message`,
          headers: { 'x-api-key': keel.apiKey },
          body: { content: 'What is the capital of France?', session_id: id },
        }
        const base = await load(direct, 1, seconds)
        const seen = await load(turn, 1, seconds)
        failed += seen.failed
        if (round < 0) continue
        added.push(seen.p50 - base.p50)
        p99.push(seen.p99 - base.p99)
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
