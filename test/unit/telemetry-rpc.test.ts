import { expect, test } from 'vitest'
import { memoryChannelPair } from '#sdk/rpc/memory-channel.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import type { SpanRecord } from '#sdk/telemetry/span.ts'
import { maxBatchSpans, spanBatch, spansNotice } from '#sdk/telemetry/span-batch.ts'
import { relaySpans } from '#sdk/telemetry/span-relay.ts'
import { activeSpan, doneIn, rootSpan, servedSpan, withSpan } from '#sdk/telemetry/tracing.ts'
import { eventually } from '../support/daemon.ts'
import { keptSpans } from '../support/kept-spans.ts'
import { probe } from '../support/services/probe-contract.ts'
import { linkTo, openInMemory } from '../support/services/probe-link.ts'

const ofName = (spans: readonly SpanRecord[], name: string) => spans.filter((span) => span.name === name)

test('a call is two spans, one at each end, and what it calls back stands below', async () => {
  const spans = keptSpans()
  const { client } = await linkTo(openInMemory)
  const root = rootSpan('root')
  await doneIn(root, () => client.relay({ text: 'hello' }))
  const [served, called] = ofName(spans, 'probe.relay')
  expect([served?.kind, called?.kind]).toEqual(['server', 'client'])
  expect(called?.parent_id).toBe(root.context.spanId)
  expect(served).toMatchObject({
    parent_id: called?.span_id,
    remote: true,
    attributes: { 'rpc.method': 'probe.relay' },
  })
  const back = spans.find(({ name, kind }) => name !== 'probe.relay' && kind === 'client')
  expect(back?.parent_id).toBe(served?.span_id)
  expect(new Set(spans.map(({ trace_id }) => trace_id)).size).toBe(1)
})

test('a call outside a trace has none, also where the wire was opened within one', async () => {
  const spans = keptSpans()
  const { client } = await withSpan(rootSpan('opener'), () => linkTo(openInMemory))
  spans.length = 0
  await client.relay({ text: 'hello' })
  expect(spans).toEqual([])
})

test('what is cancelled or refused ends as failed, and an unanswered call leaves nothing open', async () => {
  const spans = keptSpans()
  const { client } = await linkTo(openInMemory)
  const abort = new AbortController()
  const hanging = doneIn(rootSpan('root'), () => client.hang({}, { signal: abort.signal })).catch(() => {})
  const refused = doneIn(rootSpan('root'), () => client.fail({ kind: 'forbidden', message: 'plum' })).catch(() => {})
  await refused
  abort.abort()
  await hanging
  await eventually('the other end has ended it too', () => ofName(spans, 'probe.hang').length === 2)
  expect(ofName(spans, 'probe.fail').map(({ attributes }) => attributes['error.type'])).toEqual([
    'forbidden',
    'forbidden',
  ])
  expect(ofName(spans, 'probe.hang').every(({ failed }) => failed)).toBe(true)
  expect(JSON.stringify(spans)).not.toContain('plum')
})

test('chunks are taken in the place where the call was made', async () => {
  keptSpans()
  const { client } = await linkTo(openInMemory)
  const root = rootSpan('root')
  const places = new Set<string | undefined>()
  await withSpan(root, () =>
    client.count({ chunks: 3 }, { onChunk: () => void places.add(activeSpan()?.context.spanId) }),
  )
  expect(places).toEqual(new Set([root.context.spanId]))
})

test.each(['nonsense', 7, {}, '00-0-0-01'])('a traceparent that is none is passed over: %j', async (traceparent) => {
  const spans = keptSpans()
  const [near, far] = memoryChannelPair()
  const peer = new Peer(far)
  let seen: unknown = 'nothing'
  peer.serve(probe, {
    echo({ value }: { value: unknown }) {
      seen = activeSpan()
      return value
    },
  } as unknown as Parameters<typeof peer.serve<typeof probe>>[1])
  const answered = new Promise<string>((resolve) => near.onFrame(resolve))
  near.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'probe.echo', params: { value: 'v' }, traceparent }))
  expect(JSON.parse(await answered)).toMatchObject({ id: 1, result: 'v' })
  expect(seen).toBeUndefined()
  expect(spans).toEqual([])
})

test('a service hands its spans over in batches that the kernel takes, and counts those that it can not keep', () => {
  const sent: Record<string, unknown>[] = []
  const relay = relaySpans({
    notify: (method, params = {}) => void (method === spansNotice && sent.push(params)),
    bufferedBytes: 0,
  })
  try {
    const caller = { ...rootSpan('caller').context, isSampled: true }
    const start = { caller }
    for (let n = 0; n < 2_148; n++) rootSpan(`span ${n}`, {}, start).end()
    relay.flush()
  } finally {
    relay.stop()
  }
  const batches = sent.map((params) => spanBatch.parse(params))
  expect(batches.every(({ spans }) => spans.length <= maxBatchSpans)).toBe(true)
  expect(batches.flatMap(({ spans }) => spans).length).toBe(2_048)
  expect(batches.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(100)
  expect(batches[0]?.spans[0]?.name).toBe('span 0')
})

test('large spans leave in smaller batches, and no more of them wait than there is room for', () => {
  const frames: number[] = []
  const relay = relaySpans({
    notify: (_method, params) => void frames.push(Buffer.byteLength(JSON.stringify(params))),
    bufferedBytes: 0,
  })
  try {
    const caller = { ...rootSpan('caller').context, isSampled: true, hasContent: true }
    for (let n = 0; n < 1_000; n++)
      servedSpan('large', caller)
        .setContent('said', () => 'x'.repeat(16_384))
        .end()
    relay.flush()
  } finally {
    relay.stop()
  }
  expect(Math.max(...frames)).toBeLessThan(600 * 1024)
  const all = frames.reduce((sum, bytes) => sum + bytes, 0)
  expect(all).toBeGreaterThan(7 * 1024 * 1024)
  expect(all).toBeLessThan(9 * 1024 * 1024)
})
