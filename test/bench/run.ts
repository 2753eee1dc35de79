import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import express from 'express'
import { startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream } from '../support/upstream.ts'
import { type LoadResult, load, median, type Target } from './load.ts'

/*
 * What Keel costs, measured against a baseline in the same run, turn and turn about, so that a machine whose speed
 * drifts changes both. `npm run bench`, or `npm run bench -- --quick`.
 */

const { values: flags } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
const rounds = flags.quick ? 2 : 5
const seconds = flags.quick ? 1 : 3

const question = { model: 'mock/test-model', messages: [{ role: 'user', content: 'What is the capital of France?' }] }
const unlimited = '[server]\nper_ip_rate_limit_requests = 1000000000\nper_actor_rate_limit_requests = 1000000000\n'

const upstream = await startUpstream({ text: 'Paris.' })
const keel = await startDaemon({ config: upstreamConfig(upstream.url, `[cache]\nenabled = false\n\n${unlimited}`) })

/** The least that a gateway can do: hand the bytes on. */
const passThrough = createServer((incoming, outgoing) => {
  const onwards = forward(
    upstream.url + (incoming.url ?? ''),
    { method: incoming.method, headers: incoming.headers },
    (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    },
  )
  incoming.pipe(onwards)
}).listen(0, '127.0.0.1')
const bare = express()
bare.get('/api/health', (_, response) => void response.json({ status: 'ok' }))
const bareServer = bare.listen(0, '127.0.0.1')
await Promise.all([passThrough, bareServer].map((server) => server.listening || once(server, 'listening')))
const addressOf = (server: { address(): unknown }) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const key = { 'x-api-key': keel.apiKey }
const chat: Record<string, Target> = {
  'straight to the upstream': {
    url: `${upstream.url}/v1/chat/completions`,
    body: { ...question, model: 'test-model' },
  },
  'node:http pass-through': {
    url: `${addressOf(passThrough)}/v1/chat/completions`,
    body: { ...question, model: 'test-model' },
  },
  'through Keel': { url: `${keel.url}/v1/chat/completions`, headers: key, body: question },
}
const health: Record<string, Target> = {
  'bare express': { url: `${addressOf(bareServer)}/api/health` },
  Keel: { url: `${keel.url}/api/health` },
}

/** Each target in turn, round after round; the median of each figure over the rounds. */
async function compare(title: string, targets: Record<string, Target>, connections: number): Promise<void> {
  const results = new Map<string, LoadResult[]>()
  for (let round = 0; round < rounds; round++) {
    for (const [name, target] of Object.entries(targets)) {
      results.set(name, [...(results.get(name) ?? []), await load(target, connections, seconds)])
    }
  }
  const base = median((results.values().next().value ?? []).map(({ perSecond }) => perSecond))
  process.stdout.write(`\n${title}, ${connections} connection${connections === 1 ? '' : 's'}\n`)
  const table = [...results].map(([name, runs]) => {
    const perSecond = median(runs.map((run) => run.perSecond))
    return {
      target: name,
      'p50 ms': Number(median(runs.map(({ p50 }) => p50)).toFixed(2)),
      'p99 ms': Number(median(runs.map(({ p99 }) => p99)).toFixed(2)),
      'per second': Math.round(perSecond),
      'of the first': Number((perSecond / base).toFixed(2)),
      failed: runs.reduce((sum, { failed }) => sum + failed, 0),
    }
  })
  console.table(table)
}

try {
  for (const target of Object.values({ ...chat, ...health })) await load(target, 8, 1)
  for (const connections of [1, 16]) await compare('POST /v1/chat/completions', chat, connections)
  for (const connections of [1, 16]) await compare('GET /api/health', health, connections)
} finally {
  passThrough.closeAllConnections()
  passThrough.close()
  bareServer.close()
  await keel.dispose()
  await upstream.close()
}
