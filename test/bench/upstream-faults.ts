import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Agent, request } from 'undici'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { doors } from '../support/doors.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'
import type { Bench, BenchOptions, Figure } from './bench.ts'
import { load } from './load.ts'
import { quantile } from './quantile.ts'
import { startServer } from './servers/server-process.ts'

const formats = ['openai', 'anthropic'] as const
const deaths = ['reset', 'reset', 'truncate', 'error_event', 'garbage'] as const
const text = 'One two three four five six seven eight.'
const words = 8
const streamsAtOnce = 16
const callersAtOnce = 8
const identicalAtOnce = 64
/** Long enough for all of them to arrive before the one answer, in milliseconds. */
const sharedAnswerMs = 250
const costDeadlineMs = 10_000

interface Scene extends BenchOptions {
  keel: Daemon
  dying: Upstream
  dead: Upstream
  shared: Upstream
  streams: number
}

export const upstreamFaults: Bench = {
  about:
    'what callers see of upstreams that die in the middle, are dead, or need not be asked, against good ones in the same run',
  async run(options) {
    const streams = options.quick ? 40 : 200
    const random = seededRandom(options.seed)
    const dying = await startUpstream(() => dyingReply(random))
    const dead = await startUpstream({ fault: 'reset' })
    const shared = await startUpstream({ text, delayMs: sharedAnswerMs })
    const healthy = await startServer('upstream')
    const keel = await startDaemon({
      config: configOf({ dying: dying.url, dead: dead.url, shared: shared.url, healthy: healthy.url }, streams),
    })
    const scene: Scene = { ...options, keel, dying, dead, shared, streams }
    try {
      return [...(await killedStreams(scene)), ...(await deadPrimary(scene)), ...(await sparedCalls(scene))]
    } finally {
      await keel.dispose()
      healthy.close()
      await Promise.all([dying, dead, shared].map((upstream) => upstream.close()))
    }
  },
}

/** Each stream that dies has a provider of its own: after three a breaker would send the rest elsewhere. */
function configOf(urls: Record<'dying' | 'dead' | 'shared' | 'healthy', string>, streams: number): string {
  const provider = (name: string, url: string, format = 'openai') =>
    `[providers.${name}]\nurl = "${url}"\nformat = "${format}"\nis_local = true\nmodels = ["m"]\n`
  return `[models]
primary = "healthy/m"
fallbacks = ["healthy/m"]
[models.routing]
mode = "primary"
[server]
per_ip_rate_limit_requests = 1000000000
per_actor_rate_limit_requests = 1000000000
${provider('healthy', urls.healthy)}
${['answers500', 'resets'].map((name) => provider(name, `${urls.dead}/${name}`)).join('')}
${provider('shared', urls.shared)}
${Array.from({ length: streams }, (_, n) => provider(`dying${n}`, urls.dying, formats[n % 2])).join('')}`
}

function dyingReply(random: () => number): UpstreamReply {
  const fault = deaths[Math.floor(random() * deaths.length)] ?? 'reset'
  return { text, fault, afterChunks: 1 + Math.floor(random() * (words - 1)), chunkDelayMs: Math.floor(random() * 5) }
}

/** Does `work` for each number below `count`, so many at a time. */
async function each(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

async function killedStreams({ keel, dying, streams, say }: Scene): Promise<Figure[]> {
  say(`${streams} streams whose upstream dies`)
  const streaming = doors.filter(({ streams: isStream, isAgent }) => isStream && !isAgent)
  let told = 0
  let claimedWhole = 0
  let brokenOff = 0
  await each(streams, streamsAtOnce, async (n) => {
    // Two formats, then two doors: each pair comes as often.
    const door = streaming[Math.floor(n / 2) % streaming.length]
    const answer = await door?.ask(keel, { model: `dying${n}/m`, text: 'Go on!' })
    if (answer?.status !== 200 || answer.text === '' || !text.startsWith(answer.text))
      throw new Error(`Stream ${n} did not begin: ${answer?.status} ${answer?.text}`)
    if (answer.error !== undefined) told += 1
    if (answer.isDone) claimedWhole += 1
    if (!answer.isWhole) brokenOff += 1
  })
  const estimated = await estimatedCosts(keel, streams)
  const share = (count: number) => (count / streams) * 100
  const all = { goal: { atLeast: 100 }, gross: { atLeast: 100 } }
  const none = { goal: { atMost: 0 }, gross: { atMost: 0 } }
  return [
    { what: 'killed streams: told with an error event', value: share(told), unit: '%', ...all },
    { what: 'killed streams: that claim to be whole', value: claimedWhole, unit: 'count', ...none },
    { what: 'killed streams: connection ended with them', value: share(brokenOff), unit: '%', ...all },
    { what: 'killed streams: usage on record as estimated', value: share(estimated), unit: '%', ...all },
    { what: 'killed streams: calls beyond one each', value: dying.requests.length - streams, unit: 'count', ...none },
  ]
}

async function estimatedCosts({ home }: Daemon, expected: number): Promise<number> {
  const database = new DatabaseSync(join(home, 'keel.db'), { readOnly: true })
  const counting = database.prepare(
    "SELECT count(DISTINCT model) AS n FROM inference_costs WHERE model LIKE 'dying%' AND estimated = 1 AND tokens_out > 0",
  )
  const count = () => Number(counting.get()?.n)
  try {
    await eventually('the costs', () => count() >= expected, costDeadlineMs).catch(() => {})
    return count()
  } finally {
    database.close()
  }
}

interface Asked {
  /** Milliseconds. */
  times: number[]
  failed: number
}

async function askMany(keel: Daemon, model: string, count: number): Promise<Asked> {
  const dispatcher = new Agent({ connections: callersAtOnce, pipelining: 1 })
  const asked: Asked = { times: [], failed: 0 }
  const headers = { 'content-type': 'application/json', 'x-api-key': keel.apiKey }
  await each(count, callersAtOnce, async (n) => {
    // No two alike: identical questions at once would be one call.
    const messages = [{ role: 'user', content: `What is the capital of country ${n}?` }]
    const body = JSON.stringify({ model, messages })
    const at = performance.now()
    const answer = await request(`${keel.url}/v1/chat/completions`, { dispatcher, method: 'POST', headers, body })
    const { model: answeredBy } = (await answer.body.json()) as { model?: string }
    asked.times.push(performance.now() - at)
    if (answer.statusCode !== 200 || answeredBy !== 'healthy/m') asked.failed += 1
  })
  await dispatcher.close()
  return asked
}

async function deadPrimary({ keel, dead, quick, say }: Scene): Promise<Figure[]> {
  const requests = quick ? 300 : 2_000
  const rounds = quick ? 3 : 10
  dead.script(({ path }) => (path.startsWith('/answers500/') ? { status: 500 } : { fault: 'reset' }))
  await askMany(keel, 'healthy/m', requests / 2)
  const figures: Figure[] = []
  for (const name of ['answers500', 'resets']) {
    say(`${requests} requests for a primary that ${name}`)
    const ratios: number[] = []
    let failed = 0
    for (let round = 0; round < rounds; round++) {
      const good = await askMany(keel, 'healthy/m', requests / rounds)
      const fallen = await askMany(keel, `${name}/m`, requests / rounds)
      ratios.push(quantile(fallen.times, 0.5) / quantile(good.times, 0.5))
      failed += fallen.failed
    }
    const calls = dead.requests.filter(({ path }) => path.startsWith(`/${name}/`)).length
    const what = `dead primary (${name}, ${requests} requests, ${callersAtOnce} at a time)`
    figures.push(
      { what: `${what}: calls to it`, value: calls, unit: 'count', goal: { atMost: 10 }, gross: { atMost: 10 } },
      { what: `${what}: failed`, value: failed, unit: 'count', goal: { atMost: 0 }, gross: { atMost: 0 } },
      {
        what: `${what}: time of a good one`,
        value: quantile(ratios, 0.5),
        unit: 'ratio',
        goal: { atMost: 1.3 },
        gross: { atMost: 2.5 },
      },
    )
  }
  return figures
}

async function sparedCalls({ keel, shared, quick, say }: Scene): Promise<Figure[]> {
  say('answers from the cache, beside /api/health')
  const key = { 'x-api-key': keel.apiKey }
  const steady = (model: string, content: string) => ({
    url: `${keel.url}/v1/chat/completions`,
    headers: key,
    body: { model, temperature: 0, messages: [{ role: 'user', content }] },
  })
  const health = { url: `${keel.url}/api/health`, headers: key }
  const cached = steady('healthy/m', 'What is kept?')
  const added: number[] = []
  let failed = 0
  for (const target of [cached, health]) await load(target, 4, quick ? 1 : 2)
  for (let round = 0; round < (quick ? 3 : 7); round++) {
    const base = await load(health, 1, quick ? 0.5 : 1)
    const hits = await load(cached, 1, quick ? 0.5 : 1)
    added.push(hits.p50 - base.p50)
    failed += hits.failed + base.failed
  }
  say(`${identicalAtOnce} identical questions at once`)
  const { url, headers, body } = steady('shared/m', 'What do all want to know?')
  const dispatcher = new Agent({ connections: identicalAtOnce, pipelining: 1 })
  const options = { dispatcher, method: 'POST' as const, headers: { 'content-type': 'application/json', ...headers } }
  await each(identicalAtOnce, identicalAtOnce, async () => {
    const answer = await request(url, { ...options, body: JSON.stringify(body) })
    const { choices } = (await answer.body.json()) as { choices?: { message: { content: string } }[] }
    if (choices?.[0]?.message.content !== text) failed += 1
  })
  await dispatcher.close()
  return [
    {
      what: 'answer from the cache: added to /api/health',
      value: quantile(added, 0.5),
      unit: 'ms p50',
      goal: { atMost: 1 },
      gross: { atMost: 5 },
    },
    {
      what: `${identicalAtOnce} identical questions at once: calls upstream`,
      value: shared.requests.length,
      unit: 'count',
      goal: { atMost: 1 },
      gross: { atMost: 1 },
    },
    {
      what: 'cache and shared answers: failed',
      value: failed,
      unit: 'count',
      goal: { atMost: 0 },
      gross: { atMost: 0 },
    },
  ]
}
