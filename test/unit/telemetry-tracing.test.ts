import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { RuntimeError } from '#sdk/errors.ts'
import { logIds } from '#sdk/telemetry/log-ids.ts'
import { preciseNow, spanBounds } from '#sdk/telemetry/span.ts'
import { newTraceId, parseTraceparent, traceparentOf, tracestateOf } from '#sdk/telemetry/trace-context.ts'
import {
  activeSpan,
  beginSpan,
  detached,
  doneIn,
  inSpan,
  rootSpan,
  servedSpan,
  withSpan,
} from '#sdk/telemetry/tracing.ts'
import { keptSpans } from '../support/kept-spans.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'

describe('traceparent', () => {
  test('goes there and back', () => {
    const context = { traceId, spanId, isSampled: true, hasContent: false }
    expect(traceparentOf(context)).toBe(`00-${traceId}-${spanId}-01`)
    expect(parseTraceparent(traceparentOf(context))).toEqual(context)
    const unsampled = { ...context, isSampled: false }
    expect(parseTraceparent(traceparentOf(unsampled))).toEqual(unsampled)
    const telling = { ...context, hasContent: true }
    expect(parseTraceparent(traceparentOf(telling), tracestateOf(telling))).toEqual(telling)
  })

  test('of a later version is read as far as it is known', () => {
    expect(parseTraceparent(`cc-${traceId}-${spanId}-03-more`)).toMatchObject({ traceId, spanId, isSampled: true })
  })

  test.each([
    undefined,
    null,
    7,
    {},
    [`00-${traceId}-${spanId}-01`],
    '',
    '00',
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `ff-${traceId}-${spanId}-01`,
    ` 00-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01\n`,
    `01-${traceId}-${spanId}-01-${'x'.repeat(10_000)}`,
  ])('that is malformed is none: %j', (given) => {
    expect(parseTraceparent(given)).toBeUndefined()
  })

  test('content is told of a trace that is kept alone', () => {
    expect(parseTraceparent(`00-${traceId}-${spanId}-00`, 'keel=content')?.hasContent).toBe(false)
    expect(parseTraceparent(`00-${traceId}-${spanId}-01`, 'other=content')?.hasContent).toBe(false)
  })
})

describe('spans', () => {
  test('stand below the one they were begun in, whatever else goes on', async () => {
    const spans = keptSpans()
    const root = rootSpan('root', { kind: 'server' })
    await doneIn(root, async () => {
      await Promise.all(
        ['one', 'two'].map((name) => inSpan(name, {}, () => inSpan(`${name} below`, {}, () => delay(1)))),
      )
    })
    const byName = Object.fromEntries(spans.map((span) => [span.name, span]))
    expect(spans.map(({ name }) => name).toSorted()).toEqual(['one', 'one below', 'root', 'two', 'two below'])
    expect(byName['one below']?.parent_id).toBe(byName.one?.span_id)
    expect(byName['two below']?.parent_id).toBe(byName.two?.span_id)
    expect([byName.one?.parent_id, byName.two?.parent_id]).toEqual([root.context.spanId, root.context.spanId])
    expect(byName.root).toMatchObject({ parent_id: null, kind: 'server', failed: false })
    expect(new Set(spans.map(({ trace_id }) => trace_id))).toEqual(new Set([root.context.traceId]))
    expect(activeSpan()).toBeUndefined()
  })

  test('that fail tell the kind of the error and not a word of it', async () => {
    const spans = keptSpans()
    const fails = (thrown: unknown) => doneIn(rootSpan('fails'), () => Promise.reject(thrown)).catch((caught) => caught)
    const thrown = new RuntimeError('rate_limited', 'the secret word is plum')
    expect(await fails(thrown)).toBe(thrown)
    await fails(new Error('plum as well'))
    expect(spans.map(({ failed, attributes }) => [failed, attributes['error.type']])).toEqual([
      [true, 'rate_limited'],
      [true, 'internal'],
    ])
    expect(JSON.stringify(spans)).not.toContain('plum')
  })

  test('are handed on once, and what comes after their end is nothing', () => {
    const spans = keptSpans()
    const span = rootSpan('once')
    span.end()
    span.set({ late: true }).fail(new Error('late'))
    span.end()
    expect(spans).toMatchObject([{ name: 'once', failed: false, attributes: {} }])
  })

  test('are bounded in every direction', () => {
    const spans = keptSpans({ capturesContent: true })
    const span = rootSpan('n'.repeat(1_000), { attributes: { left_out: undefined } })
    span.set({ text: 'x'.repeat(100_000), list: Array(1_000).fill('y'.repeat(5_000)) })
    span.setContent('content', () => 'z'.repeat(100_000))
    for (let n = 0; n < 1_000; n++) span.set({ [`a${n}`]: n })
    span.end()
    const [record] = spans
    expect(record?.name).toHaveLength(spanBounds.name)
    expect(record?.attributes.text).toHaveLength(spanBounds.text)
    expect(record?.attributes.list).toHaveLength(spanBounds.list)
    expect(record?.attributes.content).toHaveLength(spanBounds.content)
    expect(Object.keys(record?.attributes ?? {})).toHaveLength(spanBounds.attributes)
    expect(record?.attributes).not.toHaveProperty('left_out')
  })

  test('tell what was said where it is wanted alone, without its secrets; nobody writes it down otherwise', () => {
    const content = () => 'the key is sk-abcdefgh12345678'
    const quiet = keptSpans()
    rootSpan('quiet')
      .setContent('said', () => {
        throw new Error('it was asked for')
      })
      .end()
    expect(quiet[0]?.attributes).toEqual({})
    const telling = keptSpans({ capturesContent: true })
    rootSpan('telling').setContent('said', content).end()
    expect(telling[0]?.attributes.said).toBe('the key is sk-***')
  })

  test('nobody keeps have their place, and cost no new one below', async () => {
    const root = rootSpan('unkept')
    expect(root.isRecording).toBe(false)
    expect(root.context.traceId).toMatch(/^[0-9a-f]{32}$/)
    await withSpan(root, async () => {
      expect(logIds()).toEqual({ trace_id: root.context.traceId, span_id: root.context.spanId })
      await inSpan('below', {}, (span) => expect(span?.context).toBe(root.context))
      expect(detached(() => activeSpan())).toBeUndefined()
    })
    expect(logIds()).toEqual({})
    expect(beginSpan('outside')).toBeUndefined()
  })

  test('of another process go on in its trace, and are kept if it keeps it', () => {
    const spans = keptSpans()
    const caller = { traceId, spanId, isSampled: true, hasContent: false }
    servedSpan('served', caller).end()
    servedSpan('unkept', { ...caller, isSampled: false }).end()
    expect(spans).toMatchObject([{ name: 'served', trace_id: traceId, parent_id: spanId, remote: true }])
  })

  test('have the time of the wall, to less than a millisecond of each other', () => {
    const before = Date.now()
    const now = preciseNow()
    expect(now).toBeGreaterThanOrEqual(before - 3)
    expect(preciseNow()).toBeGreaterThanOrEqual(now)
    expect(Number.isInteger(now)).toBe(false)
  })
})

test('the share of traces that is kept is the one that is asked for, and goes by their ids', () => {
  keptSpans({ sampleRatio: 0.25 })
  const ids = Array.from({ length: 4_000 }, () => newTraceId())
  const kept = ids.filter((id) => rootSpan('r', {}, { traceId: id }).isRecording)
  expect(kept.length).toBeGreaterThan(800)
  expect(kept.length).toBeLessThan(1_200)
  expect(ids.filter((id) => rootSpan('r', {}, { traceId: id }).isRecording)).toEqual(kept)
  expect(new Set(ids).size).toBe(ids.length)
})

test('a caller’s own decision goes before the share', () => {
  keptSpans({ sampleRatio: 0 })
  const caller = { traceId, spanId, isSampled: true, hasContent: false }
  expect(rootSpan('theirs', {}, { caller }).isRecording).toBe(true)
  expect(rootSpan('ours').isRecording).toBe(false)
})
