import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openReadable } from '#kernel/store/database.ts'
import type { TurnRow } from '#kernel/store/turns.ts'
import { type CollectedSpan, type Collector, startCollector } from '../support/collector.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
const turnSpan = 'invoke_agent keel'

let collector: Collector
let upstream: Upstream
let keel: Daemon

beforeAll(async () => {
  collector = await startCollector()
  upstream = await startUpstream()
  const more = `[cache]\nenabled = false\n\n[telemetry]\notlp_endpoint = "${collector.url}"\n`
  keel = await startDaemon({ home, config: upstreamConfig(upstream.url, more) })
  await keel.client.sessions.createSession({ body: { nickname: 'Faults' } })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  await collector.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

/** Asks, and is back once the tool has run and the model thinks about what it said. */
async function askUntilThinking() {
  const release = Promise.withResolvers<void>()
  let asked = 0
  upstream.script(() => {
    asked += 1
    if (asked === 1) return { toolCalls: [{ name: 'list_directory', arguments: '{}' }] }
    return asked === 2 ? { until: release.promise, text: 'Never heard.' } : { text: 'Done.' }
  })
  const answer = keel.client.agent.sendMessage({ body: { content: 'Look' } }).catch((thrown: unknown) => thrown)
  await eventually('the model thinks', () => asked === 2, 10_000)
  return { answer, release: release.resolve }
}

function newestTurn(): TurnRow {
  const db = openReadable(join(home, 'keel.db'))
  try {
    return db.prepare('SELECT * FROM turns ORDER BY rowid DESC LIMIT 1').get() as TurnRow
  } finally {
    db.close()
  }
}

function childrenOf(parent: CollectedSpan | undefined, spans: readonly CollectedSpan[], name: string) {
  return spans.filter((span) => span.parentId === parent?.spanId && span.name === name)
}

async function answeredTrace(): Promise<CollectedSpan[]> {
  upstream.script({ text: 'Well answered.' })
  const { turn_id } = await keel.client.agent.sendMessage({ body: { content: 'And again' } })
  const { trace_id } = await keel.client.turns.getTurn({ params: { id: turn_id } })
  return collector.wholeTrace(trace_id ?? '', 'POST /api/agent/message', turnSpan)
}

test('the agent is killed in the midst of a turn: the next one goes on in the same place of the same trace', async () => {
  // Broken.
  const { answer, release } = await askUntilThinking()
  const { services } = await keel.client.services.listServices()
  process.kill(services.find(({ name }) => name === 'agent')?.pid ?? 0, 'SIGKILL')
  const { turn_id, content } = (await answer) as { turn_id: string; content: string }
  release()
  expect(content).toBe('Done.')
  const { trace_id } = await keel.client.turns.getTurn({ params: { id: turn_id } })
  const spans = await collector.traceWith(trace_id ?? '', 'POST /api/agent/message', turnSpan, 'memory.remember')
  const turns = spans.filter(({ name }) => name === turnSpan)
  expect(turns).toMatchObject([{ failed: false, attributes: { 'keel.turn.id': turn_id } }])
  // One for each process.
  const runs = childrenOf(turns[0], spans, 'agent.run').toSorted((a, b) => a.start - b.start)
  expect(runs.map(({ failed }) => failed)).toEqual([true, false])
  expect(runs[0]?.attributes['error.type']).toBe('unavailable')
  expect(spans.filter(({ name }) => name === 'execute_tool list_directory')).toHaveLength(1)
  // Recovered.
  const whole = await answeredTrace()
  expect(whole.every(({ failed }) => !failed)).toBe(true)
})

test('the kernel is killed in the midst of a turn: the next one ends the turn’s span where it had begun', async () => {
  // Broken.
  const { answer, release } = await askUntilThinking()
  const before = newestTurn()
  expect(before).toMatchObject({ status: 'running', trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) })
  const firstPid = keel.pid
  await keel.stop('SIGKILL')
  release()
  expect(await answer).toBeInstanceOf(Error)
  keel = await startDaemon({ home })
  await eventually('the turn is over', () => newestTurn().status === 'ok', 10_000)
  expect(newestTurn()).toMatchObject({ id: before.id, trace_id: before.trace_id })
  const spans = await collector.traceWith(before.trace_id ?? '', turnSpan)
  const turn = spans.filter(({ name }) => name === turnSpan)
  expect(turn).toHaveLength(1)
  expect(turn[0]?.process['process.pid']).not.toBe(firstPid)
  // From the message, which the first kernel took.
  expect(Math.round(turn[0]?.start ?? 0)).toBe(Date.parse(before.created_at))
  expect(childrenOf(turn[0], spans, 'agent.run').filter(({ failed }) => !failed)).toHaveLength(1)
  // Recovered.
  const whole = await answeredTrace()
  expect(whole.every(({ failed }) => !failed)).toBe(true)
})
