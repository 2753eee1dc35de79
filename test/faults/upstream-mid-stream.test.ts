import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  eventually,
  providerAt,
  type RunningInference,
  requestWith,
  settingsWith,
  startInference,
} from '../support/inference-service.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

const text = 'One two three four five.'
let upstream: Upstream
let spare: Upstream
let service: RunningInference

beforeEach(async () => {
  upstream = await startUpstream({ text })
  spare = await startUpstream({ text: 'From the spare.' })
})
afterEach(async () => {
  await service.close()
  await Promise.all([upstream.close(), spare.close()])
})

async function start(format: 'openai' | 'anthropic' | 'google') {
  service = await startInference(
    {
      settings: settingsWith([providerAt('main', upstream.url, { format }), providerAt('spare', spare.url)], {
        routing: { per_provider_timeout_seconds: 0.3 },
      }),
    },
    { random: () => 0 },
  )
}

async function read(signal?: AbortSignal) {
  const seen: string[] = []
  const answer = service.inference.complete(requestWith({ stream: true }), {
    ...(signal ? { signal } : {}),
    onChunk: (chunk) => {
      if (chunk.type === 'text') seen.push(chunk.delta)
    },
  })
  return {
    seen,
    answer: await answer.then(
      (result) => result,
      (error: unknown) => error,
    ),
  }
}

const deaths: [string, UpstreamReply, string, string][] = [
  ['is reset', { fault: 'reset' }, 'reset', 'network error reaching provider in the middle of the answer'],
  ['ends without a finish reason', { fault: 'truncate' }, 'reset', 'network error reaching provider in the middle'],
  ['falls silent', { fault: 'hang' }, 'timeout', 'limited by models.routing.per_provider_timeout_seconds = 0.3'],
  ['turns to garbage', { fault: 'garbage' }, 'invalid_answer', 'provider error in the middle of the answer'],
  ['tells an error', { fault: 'error_event' }, 'server', 'provider server error in the middle of the answer'],
]

describe.each(['openai', 'anthropic', 'google'] as const)('with %s', (format) => {
  test.each(deaths)(
    'a stream that %s after its first deltas is an error, its cost is kept, and the next one is whole',
    async (_, fault, usualCategory, usualMessage) => {
      // Anthropic's events have names, and its SDK passes over a line without one: garbage is a stream that ends early.
      const unseen = format === 'anthropic' && fault.fault === 'garbage'
      const category = unseen ? 'reset' : usualCategory
      const message = unseen ? 'network error reaching provider in the middle' : usualMessage
      await start(format)
      expect(await read()).toMatchObject({ answer: { text, model: 'main/m' } })
      upstream.script({ text, afterChunks: 2, ...fault })
      const broken = await read()
      expect(broken.seen.join('')).toBe('One two ')
      expect(broken.answer).toMatchObject({
        kind: 'upstream_failed',
        message: expect.stringContaining(message),
        details: { category, failures: [{ model: 'main/m', category }] },
      })
      expect(spare.requests).toHaveLength(0)
      await eventually(() => service.kept.costs.length === 2, 'the cost of what was sent')
      expect(service.kept.costs[1]).toMatchObject({ model: 'main/m', estimated: true, quality_score: null })
      expect(service.kept.costs[1]?.tokens_out).toBeGreaterThan(0)
      upstream.script({ text })
      expect(await read()).toMatchObject({ answer: { text, model: 'main/m', usage: { estimated: false } } })
    },
  )

  test.each([1, 3, 7])('bytes cut anywhere (%i at a time) are no fault', async (sliceBytes) => {
    await start(format)
    upstream.script({ text: 'Grüße aus 東京 🚀', sliceBytes })
    const { answer, seen } = await read()
    expect(answer).toMatchObject({ text: 'Grüße aus 東京 🚀', model: 'main/m', failures: [] })
    expect(seen.join('')).toBe('Grüße aus 東京 🚀')
  })
})

test('a slow stream that keeps talking may take longer than the limit on silence', async () => {
  await start('openai')
  upstream.script({ text, chunkDelayMs: 120 })
  expect(await read()).toMatchObject({ answer: { text } })
})

test('a caller who reads slowly is not taken for a silent provider', async () => {
  await start('openai')
  upstream.script({ text: 'word '.repeat(1_000) })
  let seen = 0
  const result = await service.inference.complete(requestWith({ stream: true }), {
    onChunk: async ({ type }) => {
      if (type === 'text' && ++seen === 100) await new Promise((resolve) => setTimeout(resolve, 700))
    },
  })
  expect(result).toMatchObject({ model: 'main/m', failures: [] })
  expect(seen).toBe(1_000)
})

test('a caller who goes away ends the call upstream, and its cost is kept', async () => {
  await start('openai')
  upstream.script({ text, afterChunks: 2, fault: 'hang' })
  const leaving = new AbortController()
  const answer = service.inference.complete(requestWith({ stream: true }), {
    signal: leaving.signal,
    onChunk: (chunk) => {
      if (chunk.type === 'text') leaving.abort()
    },
  })
  await expect(answer).rejects.toMatchObject({ kind: 'cancelled' })
  expect(await upstream.requests[0]?.ended).toBe('aborted')
  await eventually(() => service.kept.costs.length === 1, 'the cost of what was sent')
  expect(service.kept.costs[0]).toMatchObject({ estimated: true })
  expect((await service.inference.status({})).breakers.main).toMatchObject({ state: 'closed', failure_count: 0 })
})

test('an answer that dies unseen is asked for again: nobody has read its beginning', async () => {
  await start('openai')
  upstream.script([{ body: '{"choices": [{"mess' }])
  const result = await service.inference.complete(requestWith())
  expect(result).toMatchObject({ model: 'spare/m', failures: [{ model: 'main/m', category: 'invalid_answer' }] })
})
