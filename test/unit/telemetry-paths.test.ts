import { expect, test } from 'vitest'
import type { SpanRecord } from '#sdk/telemetry/span.ts'
import { activeSpan, rootSpan, withSpan } from '#sdk/telemetry/tracing.ts'
import { channelScene, inbound } from '../support/channel-scene.ts'
import { keptSpans } from '../support/kept-spans.ts'

const find = (spans: readonly SpanRecord[], name: string) => spans.find((span) => span.name === name)

test('a message of a chat, its turn and the delivery of its answer are one trace', async () => {
  const spans = keptSpans()
  const scene = await channelScene()
  await scene.accept([inbound({ text: 'hello there' })])
  await scene.settled()
  const received = find(spans, 'process telegram')
  const turn = find(spans, 'invoke_agent keel')
  const sent = find(spans, 'send telegram')
  expect(received).toMatchObject({ parent_id: null, kind: 'consumer', attributes: { 'messaging.system': 'telegram' } })
  expect(turn).toMatchObject({ parent_id: received?.span_id, attributes: { 'keel.channel': 'telegram' } })
  expect(sent).toMatchObject({ parent_id: turn?.span_id, kind: 'producer' })
  expect(new Set([received, turn, sent].map((span) => span?.trace_id)).size).toBe(1)
  expect(JSON.stringify(spans)).not.toContain('hello there')
})

test('what is sent after somebody else’s work is not in their trace', async () => {
  const spans = keptSpans()
  const scene = await channelScene()
  const other = rootSpan('somebody else')
  await withSpan(other, () => scene.accept([inbound({ text: '/help' })]))
  await scene.settled()
  expect(spans.filter(({ trace_id }) => trace_id === other.context.traceId)).toEqual([])
  expect(find(spans, 'send telegram')?.parent_id).toBeNull()
})

test('a turn works in its own place, whoever’s work it was begun in', async () => {
  const spans = keptSpans()
  const places: (string | undefined)[] = []
  const scene = await channelScene({
    run: async () => {
      places.push(activeSpan()?.context.spanId)
      return { status: 'ok', content: 'Well.', reason: null, react_turns: 0 }
    },
  })
  await scene.accept([inbound({ text: 'one' }), inbound({ text: 'two' })])
  await scene.settled()
  const turns = spans.filter(({ name }) => name === 'invoke_agent keel')
  expect(places.toSorted()).toEqual(turns.map(({ span_id }) => span_id).toSorted())
  expect(new Set(turns.map(({ trace_id }) => trace_id)).size).toBe(2)
})
