import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CollectedSpan, type Collector, startCollector } from '../support/collector.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { figureOf, readMetrics } from '../support/metrics-text.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const secretWords = 'the-colour-of-my-door'
const headerSecret = 'collector-token-1234'

let collector: Collector
let upstream: Upstream
let keel: Daemon
let answer: Awaited<ReturnType<Daemon['client']['agent']['sendMessage']>>
let traceId: string
let spans: CollectedSpan[]

beforeAll(async () => {
  collector = await startCollector()
  upstream = await startUpstream([
    { toolCalls: [{ id: 'call_look', name: 'list_directory', arguments: '{}' }] },
    { text: `It is ${secretWords}.` },
  ])
  const telemetry = `[telemetry]
otlp_endpoint = "${collector.url}"
service_name = "house"

[telemetry.otlp_headers]
x-team = "${headerSecret}"
`
  // Meant for another collector.
  const env = { KEEL_LOG_LEVEL: 'debug', OTEL_EXPORTER_OTLP_HEADERS: 'x-elsewhere=secret' }
  keel = await startDaemon({ config: upstreamConfig(upstream.url, telemetry), env })
  await keel.client.sessions.createSession({ body: { nickname: 'Traced' } })
  const response = await post('/api/agent/message', { content: `What is ${secretWords}?` })
  traceId = response.headers.get('x-trace-id') ?? ''
  answer = (await response.json()) as typeof answer
  spans = await collector.wholeTrace(traceId, 'POST /api/agent/message', 'tools.run', 'memory.remember')
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  await collector.close()
})

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return keel.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

function named(name: string): CollectedSpan[] {
  return spans.filter((span) => span.name === name)
}

/** The names from the span up to the root. */
function lineage(span: CollectedSpan | undefined): string[] {
  if (!span) return []
  return [span.name, ...lineage(spans.find(({ spanId }) => spanId === span.parentId))]
}

describe('the trace of a turn', () => {
  test('goes from the request over the processes to the model and the tool, and every parent is in it', () => {
    const ids = new Set(spans.map(({ spanId }) => spanId))
    expect(ids.size).toBe(spans.length)
    expect(spans.filter(({ parentId }) => parentId !== '' && !ids.has(parentId))).toEqual([])
    expect(spans.filter(({ parentId }) => parentId === '').map(({ name }) => name)).toEqual(['POST /api/agent/message'])
    const turn = ['invoke_agent keel', 'POST /api/agent/message']
    const asked = ['kernel.infer', 'kernel.infer', 'agent.run', 'agent.run', ...turn]
    const worked = ['kernel.callTool', 'kernel.callTool', 'agent.run', 'agent.run', ...turn]
    for (const chat of named('chat test-model').filter(({ attributes }) => attributes['keel.purpose'] === 'turn'))
      expect(lineage(chat)).toEqual(['chat test-model', 'inference.complete', 'inference.complete', ...asked])
    expect(lineage(named('tools.run').find(({ kind }) => kind === 'server'))).toEqual([
      'tools.run',
      'tools.run',
      'execute_tool list_directory',
      ...worked,
    ])
    expect(named('memory.recall').map(({ kind }) => kind)).toEqual(['server', 'client'].toSorted())
  })

  test('has each span in the process that did the work', () => {
    const processOf = (name: string, kind: CollectedSpan['kind']) =>
      named(name).find((span) => span.kind === kind)?.process['service.name']
    expect([
      processOf('POST /api/agent/message', 'server'),
      processOf('agent.run', 'client'),
      processOf('agent.run', 'server'),
      processOf('inference.complete', 'server'),
      processOf('tools.run', 'server'),
      processOf('memory.recall', 'server'),
    ]).toEqual(['house', 'house', 'house.agent', 'house.inference', 'house.tools', 'house.memory'])
    const pids = new Set(spans.map((span) => span.process['process.pid']))
    expect(pids.size).toBeGreaterThanOrEqual(5)
    expect(spans.filter((span) => span.end < span.start || span.start < Date.now() - 60_000)).toEqual([])
  })

  test('speaks the language of the conventions for generative models', () => {
    expect(named('chat test-model')[0]).toMatchObject({
      kind: 'client',
      failed: false,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'test-model',
        'gen_ai.response.model': 'test-model',
        'gen_ai.response.finish_reasons': ['tool_calls'],
        'gen_ai.usage.input_tokens': 11,
        'gen_ai.usage.output_tokens': 7,
        'keel.provider': 'mock',
        'server.address': '127.0.0.1',
      },
    })
    expect(named('execute_tool list_directory')[0]).toMatchObject({
      kind: 'internal',
      attributes: {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'list_directory',
        'gen_ai.tool.call.id': 'call_look',
        'gen_ai.conversation.id': answer.session_id,
        'keel.tool.status': 'success',
      },
    })
    expect(named('invoke_agent keel')[0]).toMatchObject({
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.conversation.id': answer.session_id,
        'gen_ai.usage.input_tokens': 22,
        'gen_ai.usage.output_tokens': 14,
        'keel.turn.id': answer.turn_id,
        'keel.turn.status': 'ok',
      },
    })
    expect(named('POST /api/agent/message')[0]?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/api/agent/message',
      'http.response.status_code': 200,
    })
  })

  test('is named by the turn, the answer’s header and the lines of the log', async () => {
    expect(traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(await keel.client.turns.getTurn({ params: { id: answer.turn_id } })).toMatchObject({ trace_id: traceId })
    const { entries } = await keel.client.logs.listLogs({ query: { trace_id: traceId, lines: 1_000 } })
    expect(entries.length).toBeGreaterThan(0)
    expect(entries.every((entry) => entry.trace_id === traceId)).toBe(true)
    const others = await keel.client.logs.listLogs({ query: { trace_id: '0'.repeat(32) } })
    expect(others.entries).toEqual([])
  })

  test('tells nothing of what was said, and nothing of it goes to the model’s provider', () => {
    for (const body of collector.bodies) expect(body.includes(secretWords)).toBe(false)
    for (const { headers } of upstream.requests) expect(Object.keys(headers)).not.toContain('traceparent')
    for (const headers of collector.headers) {
      expect(headers['x-team']).toBe(headerSecret)
      expect(headers).not.toHaveProperty('x-elsewhere')
    }
  })
})

test('a caller who hangs up leaves spans that are ended and say so, down to the call of the model', async () => {
  upstream.script({ chunks: ['Once ', 'upon '], fault: 'hang', afterChunks: 1 })
  const hangUp = new AbortController()
  const response = await keel.fetch('/api/agent/message/stream', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content: 'Tell me a story', no_cache: true }),
    signal: hangUp.signal,
  })
  await upstream.received(3)
  hangUp.abort()
  const names = ['POST /api/agent/message/stream', 'invoke_agent keel', 'chat test-model', 'agent.run']
  const cut = await collector.wholeTrace(response.headers.get('x-trace-id') ?? '', ...names)
  const errorOf = (name: string) => cut.find((span) => span.name === name && span.failed)?.attributes['error.type']
  expect(names.map(errorOf)).toEqual(['cancelled', 'interrupted', 'cancelled', 'cancelled'])
})

test('lines that a service and the kernel write in a trace name it', async () => {
  upstream.script({ status: 400 })
  const response = await post('/api/agent/message', { content: 'Fail', no_cache: true })
  const trace_id = response.headers.get('x-trace-id') ?? ''
  const logged = async () => (await keel.client.logs.listLogs({ query: { trace_id, lines: 100 } })).entries
  await eventually('both have written', async () => {
    const targets = (await logged()).map(({ target }) => target)
    return targets.includes('inference') && targets.includes('kernel')
  })
  const line = (await logged()).find(({ message }) => message === 'a model failed')
  expect(line).toMatchObject({ target: 'inference', span_id: expect.stringMatching(/^[0-9a-f]{16}$/) })
  const spans = await collector.wholeTrace(trace_id, 'inference.complete')
  expect(spans.map(({ spanId }) => spanId)).toContain(line?.span_id)
})

describe('a caller’s own trace', () => {
  const theirs = { trace: 'abcdef0123456789abcdef0123456789', span: '0123456789abcdef' }
  const traceparent = `00-${theirs.trace}-${theirs.span}-01`

  test('is gone on with where the caller has shown the key', async () => {
    const response = await keel.fetch('/api/sessions', { headers: { traceparent } })
    expect(response.headers.get('x-trace-id')).toBe(theirs.trace)
    const [span] = await collector.traceWith(theirs.trace, 'GET /api/sessions')
    expect(span).toMatchObject({ parentId: theirs.span, kind: 'server' })
  })

  test.each([
    ['a stranger’s', traceparent, { 'x-api-key': 'wrong' }, 401],
    ['one that is malformed', 'abc', {}, 200],
    ['one of zeros', `00-${'0'.repeat(32)}-${theirs.span}-01`, {}, 200],
    ['one of a version that can not be', traceparent.replace('00-', 'ff-'), {}, 200],
  ])('is not taken up: %s', async (_, given, headers, status) => {
    const response = await keel.fetch('/api/sessions', { headers: { traceparent: given, ...headers } })
    expect(response.status).toBe(status)
    expect(response.headers.get('x-trace-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(response.headers.get('x-trace-id')).not.toBe(theirs.trace)
  })

  test('is not exported where the caller does not keep it, and neither is a stranger’s request', async () => {
    const unkept = 'fedcba9876543210fedcba9876543210'
    const asked = await keel.fetch('/api/sessions', { headers: { traceparent: `00-${unkept}-${theirs.span}-00` } })
    expect(asked.headers.get('x-trace-id')).toBe(unkept)
    const refused = await keel.fetch('/api/sessions', { headers: { 'x-api-key': 'wrong' } })
    const known = await keel.fetch('/api/cron/jobs')
    await collector.traceWith(known.headers.get('x-trace-id') ?? '', 'GET /api/cron/jobs')
    const absent = [unkept, refused.headers.get('x-trace-id')]
    expect(collector.spans.filter((span) => absent.includes(span.traceId))).toEqual([])
  })
})

describe('settings', () => {
  test('are shown without the collector’s keys', async () => {
    const text = JSON.stringify(await keel.client.config.getConfig())
    expect(text).not.toContain(headerSecret)
    expect(JSON.parse(text).telemetry).toMatchObject({ service_name: 'house', otlp_headers: { 'x-team': '***' } })
  })

  test('take effect at once: content where it is wanted, redacted, and no spans where nothing is exported', async () => {
    const put = (telemetry: Record<string, unknown>) => keel.client.config.updateConfig({ body: { telemetry } })
    await put({ capture_content: true, otlp_headers: { 'x-team': '***' } })
    upstream.script({ text: 'Your token is sk-abcdefgh12345678.' })
    const told = await post('/api/agent/message', { content: 'Tell me my token' })
    const told_id = told.headers.get('x-trace-id') ?? ''
    const whole = await collector.wholeTrace(told_id, 'POST /api/agent/message', 'invoke_agent keel', 'chat test-model')
    const chat = whole.find(({ name }) => name === 'chat test-model')
    expect(chat?.attributes['gen_ai.input.messages']).toContain('Tell me my token')
    expect(chat?.attributes['gen_ai.output.messages']).toContain('Your token is sk-***')
    expect(collector.headers.at(-1)?.['x-team']).toBe(headerSecret)

    await put({ otlp_endpoint: null, capture_content: false })
    const { turn_id } = await keel.client.agent.sendMessage({ body: { content: 'And now?' } })
    const { trace_id } = await keel.client.turns.getTurn({ params: { id: turn_id } })
    expect(trace_id).toMatch(/^[0-9a-f]{32}$/)

    await put({ otlp_endpoint: collector.url, service_name: 'home' })
    const again = await keel.fetch('/api/sessions')
    const [span] = await collector.traceWith(again.headers.get('x-trace-id') ?? '', 'GET /api/sessions')
    expect(span?.process['service.name']).toBe('home')
    expect(collector.spans.filter((found) => found.traceId === trace_id)).toEqual([])
  })

  test.each([
    [{ otlp_endpoint: 'ftp://example.org' }, 'telemetry.otlp_endpoint'],
    [{ otlp_endpoint: 'http://user:secret@example.org' }, 'telemetry.otlp_endpoint'],
    [{ sample_ratio: 2 }, 'telemetry.sample_ratio'],
    [{ otlp_headers: { 'x-a': 'two\nlines' } }, 'telemetry.otlp_headers'],
    [{ otlp_headers: { 'not a name': 'x' } }, 'telemetry.otlp_headers'],
  ])('that are wrong are refused by name: %j', async (telemetry, key) => {
    await expect(keel.client.config.updateConfig({ body: { telemetry } })).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(key),
    })
  })
})

describe('/metrics', () => {
  const scrape = async () => readMetrics(await (await keel.fetch('/metrics')).text())

  test('needs the key, and says which format it is in', async () => {
    expect((await keel.fetch('/metrics', { headers: { 'x-api-key': 'wrong' } })).status).toBe(401)
    const { status, headers } = await keel.fetch('/metrics')
    expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
  })

  test('counts what happened, no more and no less', async () => {
    const before = await scrape()
    const difference = (after: typeof before, name: string, labels: Record<string, string>) =>
      (figureOf(after, name, labels) ?? 0) - (figureOf(before, name, labels) ?? 0)
    upstream.script([
      {
        toolCalls: [
          { name: 'list_directory', arguments: '{}' },
          { name: 'no_such_tool_<b>', arguments: '{}' },
        ],
      },
      { text: 'Counted.' },
    ])
    const { session_id } = answer
    await keel.client.agent.sendMessage({ body: { content: 'Count this', session_id, no_cache: true } })
    await keel.fetch('/no/such/path')
    await keel.fetch(`/api/turns/${encodeURIComponent('a/../"\n{}')}`)
    await eventually('the model’s costs are counted', async () => {
      const model = { model: 'mock/test-model', kind: 'answer' }
      const seen = await scrape()
      const booked = difference(seen, 'keel_budget_tokens', { part: 'spent' })
      return difference(seen, 'keel_model_calls_total', model) === 2 && booked >= 22 + 14
    })
    const after = await scrape()
    const of = (name: string, labels: Record<string, string>) => difference(after, name, labels)
    expect({
      turns: of('keel_turns_total', { status: 'ok' }),
      timed: of('keel_turn_duration_seconds_count', { status: 'ok' }),
      listed: of('keel_tool_calls_total', { tool: 'list_directory', status: 'success' }),
      unknown: of('keel_tool_calls_total', { tool: 'unknown', status: 'error' }),
      input: of('keel_tokens_total', { model: 'mock/test-model', kind: 'input' }),
      output: of('keel_tokens_total', { model: 'mock/test-model', kind: 'output' }),
      asked: of('keel_http_requests_total', { method: 'POST', route: '/api/agent/message', status: '200' }),
      unmatched: of('keel_http_requests_total', { method: 'GET', route: 'unmatched', status: '404' }),
      turn: of('keel_http_requests_total', { method: 'GET', route: '/api/turns/:id', status: '404' }),
    }).toEqual({
      turns: 1,
      timed: 1,
      listed: 1,
      unknown: 1,
      input: 22,
      output: 14,
      asked: 1,
      unmatched: 1,
      turn: 1,
    })
    const standing = (name: string, labels = {}) => figureOf(after, name, labels)
    expect(standing('keel_service_up', { service: 'agent' })).toBe(1)
    expect(standing('keel_service_cpu_seconds_total', { service: 'agent' })).toBeGreaterThan(0)
    expect(standing('keel_breaker_state', { provider: 'mock' })).toBe(0)
    expect(standing('keel_budget_dollars', { part: 'hard_line' })).toBe(50)
    expect(standing('keel_budget_tokens', { part: 'hard_line' })).toBeUndefined()
    expect(standing('keel_turns_live')).toBe(0)
    expect(standing('keel_database_bytes', { file: 'main' })).toBeGreaterThan(0)
    expect(standing('keel_spans_total', { result: 'exported' })).toBeGreaterThan(0)
    expect(standing('keel_process_cpu_seconds_total')).toBeGreaterThan(0)
  })

  test('tells routes apart by their templates, whatever the paths are', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, n) => keel.fetch(`/api/sessions/nobody-${n}`)))
    await Promise.all(Array.from({ length: 50 }, (_, n) => keel.fetch(`/nothing-${n}`)))
    const { samples = [] } = (await scrape()).get('keel_http_requests_total') ?? {}
    const routes = new Set(samples.map(({ labels }) => labels.route))
    expect([...routes].filter((route) => route?.includes('no'))).toEqual([])
    expect(routes).toContain('/api/sessions/:id')
  })

  test('can be switched off and on without a restart', async () => {
    await keel.client.config.updateConfig({ body: { telemetry: { metrics: false } } })
    expect((await keel.fetch('/metrics')).status).toBe(404)
    await keel.client.config.updateConfig({ body: { telemetry: { metrics: true } } })
    expect(figureOf(await scrape(), 'keel_uptime_seconds')).toBeGreaterThan(0)
  })
})
