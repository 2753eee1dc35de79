import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Collector, startCollector } from '../support/collector.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let collector: Collector
let upstream: Upstream
let keel: Daemon

beforeAll(async () => {
  collector = await startCollector()
  upstream = await startUpstream({ text: 'Well answered.' })
  const more = `[cache]\nenabled = false\n\n[telemetry]\notlp_endpoint = "${collector.url}"\n`
  keel = await startDaemon({ config: upstreamConfig(upstream.url, more) })
  await keel.client.sessions.createSession({ body: { nickname: 'Faults' } })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  await collector.close()
})

async function ask(content: string): Promise<string> {
  const { turn_id, content: said } = await keel.client.agent.sendMessage({ body: { content } })
  expect(said).toBe('Well answered.')
  return (await keel.client.turns.getTurn({ params: { id: turn_id } })).trace_id ?? ''
}

const turnSpan = 'invoke_agent keel'
const warnings = () => keel.output().split('traces could not be sent').length - 1

test('a collector that hangs, refuses or fails is nobody else’s trouble, and gets what comes when it is back', async () => {
  // Steady.
  await collector.traceWith(await ask('steady'), turnSpan)
  // Broken: it fails, then it takes requests and says nothing, then it is gone.
  const asked = collector.headers.length
  collector.become(500)
  await ask('while it fails')
  await eventually('the failing collector was asked', () => collector.headers.length > asked)
  collector.become('hang')
  await ask('while it hangs')
  await eventually('the hanging collector was asked', () => collector.headers.length > asked + 1)
  const port = Number(new URL(collector.url).port)
  await collector.close()
  await Promise.all([ask('while it is away'), ask('while it is still away')])
  await eventually('the log tells of it', () => warnings() > 0)
  // Recovered.
  collector = await startCollector({ port })
  await collector.traceWith(await ask('recovered'), turnSpan)
  expect(warnings()).toBe(1)
  await eventually('the log tells that it is back', () => keel.output().includes('takes traces again'))
})

test('a collector that hangs does not hold up a stop', async () => {
  collector.become('hang')
  await ask('unsent')
  const stoppedAt = performance.now()
  expect(await keel.stop()).toBe(0)
  expect(performance.now() - stoppedAt).toBeLessThan(8_000)
})
