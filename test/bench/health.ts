import type { Bench } from './bench.ts'
import { keelModel, question, startBenchDaemon } from './bench-daemon.ts'
import { interleave } from './interleave.ts'
import { load } from './load.ts'
import { startServer } from './servers/server-process.ts'

const chatsAtOnce = 8

export const health: Bench = {
  about: '/api/health against the same route in a bare express application, and while eight chats run',
  async run({ quick, say }) {
    const upstream = await startServer('upstream')
    const express = await startServer('bare-express')
    const keel = await startBenchDaemon(upstream.url)
    const targets = { express: { url: `${express.url}/api/health` }, keel: { url: `${keel.url}/api/health` } }
    const chat = {
      url: `${keel.url}/v1/chat/completions`,
      headers: { 'x-api-key': keel.apiKey },
      body: { model: keelModel, messages: question },
    }
    const seconds = quick ? 1 : 2
    try {
      for (const target of Object.values(targets)) await load(target, 16, quick ? 1 : 3)
      say('16 connections, beside bare express')
      const seen = await interleave(targets, { rounds: quick ? 3 : 5, seconds, connections: 16 })
      say('while chats run')
      await load(chat, chatsAtOnce, seconds)
      const [busy, chats] = await Promise.all([
        load(targets.keel, 1, seconds * 3),
        load(chat, chatsAtOnce, seconds * 3),
      ])
      return [
        {
          what: "c=16: Keel's throughput of bare express",
          value: seen.ratio('keel', 'express', 'perSecond'),
          unit: 'ratio',
          goal: { atLeast: 0.6 },
          gross: { atLeast: 0.2 },
        },
        { what: 'c=16: Keel', value: seen.of('keel', 'perSecond'), unit: 'per second' },
        { what: `while ${chatsAtOnce} chats run`, value: busy.p99, unit: 'ms p99', goal: { atMost: 10 } },
        { what: `while ${chatsAtOnce} chats run`, value: busy.p50, unit: 'ms p50' },
        { what: 'failed', value: busy.failed + chats.failed, unit: 'count', goal: { atMost: 0 }, gross: { atMost: 0 } },
      ]
    } finally {
      await keel.dispose()
      express.close()
      upstream.close()
    }
  },
}
