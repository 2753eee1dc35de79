import type { Bench, Figure } from './bench.ts'
import { keelModel, question, startBenchDaemon } from './bench-daemon.ts'
import { interleave } from './interleave.ts'
import { load, type Target } from './load.ts'
import { startPortkey } from './portkey.ts'
import { startServer } from './servers/server-process.ts'

const path = '/v1/chat/completions'
/** Until the code of each target has been compiled: requests over 16 connections, in seconds. */
const warmUpSeconds = { quick: 2, whole: 6 }

export const gateway: Bench = {
  about:
    '/v1/chat/completions through Keel (gate, policy, breaker, cost record), against the upstream itself, a pass-through in plain node:http, and @portkey-ai/gateway',
  async run({ quick, say }) {
    const upstream = await startServer('upstream')
    const passThrough = await startServer('pass-through', upstream.url)
    const portkey = quick ? undefined : await startPortkey(upstream.url, say)
    const keel = await startBenchDaemon(upstream.url)
    const plain = { model: 'test-model', messages: question }
    const targets = {
      direct: { url: upstream.url + path, body: plain },
      'pass-through': { url: passThrough.url + path, body: plain },
      keel: { url: keel.url + path, headers: { 'x-api-key': keel.apiKey }, body: { ...plain, model: keelModel } },
      ...(portkey && { portkey: { url: portkey.url + path, headers: portkey.headers, body: plain } }),
    }
    const span = quick ? { rounds: 3, seconds: 1 } : { rounds: 5, seconds: 2 }
    const figures: Figure[] = []
    const rivals = portkey ? (['pass-through', 'portkey'] as const) : (['pass-through'] as const)
    try {
      for (const target of Object.values(targets))
        await load(target, 16, quick ? warmUpSeconds.quick : warmUpSeconds.whole)
      for (const connections of [1, 16, 64]) {
        say(`whole answers, ${connections} connections`)
        const seen = await interleave(targets, { ...span, connections })
        const at = `c=${connections}`
        figures.push(
          { what: `${at}: failed`, value: seen.failed('keel'), unit: 'count', goal: none, gross: none },
          { what: `${at}: direct`, value: seen.of('direct', 'p50'), unit: 'ms p50' },
          {
            what: `${at}: added by the pass-through`,
            value: seen.added('pass-through', 'direct', 'p50'),
            unit: 'ms p50',
          },
          {
            what: `${at}: added by Keel`,
            value: seen.added('keel', 'direct', 'p50'),
            unit: 'ms p50',
            ...(connections === 1 && { goal: { atMost: 0.45 } }),
          },
          {
            what: `${at}: added by Keel`,
            value: seen.added('keel', 'direct', 'p99'),
            unit: 'ms p99',
            ...(connections === 1 && { goal: { atMost: 2 } }),
          },
          { what: `${at}: Keel`, value: seen.of('keel', 'perSecond'), unit: 'per second' },
          ...rivals.map((rival) => ({
            what: `${at}: Keel's throughput of ${rival}`,
            value: seen.ratio('keel', rival, 'perSecond'),
            unit: 'ratio',
            ...throughputLimits[`${connections} ${rival}`],
          })),
        )
      }
      for (const connections of [1, 16]) {
        say(`streams, ${connections} connections`)
        const { portkey: _, ...streaming } = asStreams(targets)
        for (const target of Object.values(streaming)) await load(target, 16, quick ? 1 : 2)
        const seen = await interleave(streaming, { ...span, connections })
        const at = `streaming c=${connections}`
        figures.push(
          { what: `${at}: failed`, value: seen.failed('keel'), unit: 'count', goal: none, gross: none },
          {
            what: `${at}: added to the first byte`,
            value: seen.added('keel', 'direct', 'firstByteP50'),
            unit: 'ms p50',
            ...(connections === 1 && { goal: { atMost: 0.6 } }),
          },
          {
            what: `${at}: Keel's throughput of pass-through`,
            value: seen.ratio('keel', 'pass-through', 'perSecond'),
            unit: 'ratio',
          },
        )
      }
      return figures
    } finally {
      await keel.dispose()
      portkey?.close()
      passThrough.close()
      upstream.close()
    }
  },
}

const none = { atMost: 0 }

const throughputLimits: Record<string, Pick<Figure, 'goal' | 'gross'>> = {
  '16 pass-through': { goal: { atLeast: 0.6 }, gross: { atLeast: 0.15 } },
  '16 portkey': { goal: { atLeast: 4 } },
  '64 portkey': { goal: { atLeast: 4 } },
}

function asStreams<T extends Partial<Record<string, Target>>>(targets: T): T {
  const streams = Object.entries(targets).map(([name, target]) => [
    name,
    target && { ...target, body: { ...(target.body as object), stream: true } },
  ])
  return Object.fromEntries(streams)
}
