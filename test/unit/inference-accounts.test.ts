import { expect, test } from 'vitest'
import { RuntimeError } from '#sdk/errors.ts'
import { answerCollector, estimateInputTokens } from '../../services/inference/answer.ts'
import { Capacity } from '../../services/inference/capacity.ts'
import {
  failureOfStatus,
  failureTable,
  logLine,
  toUpstreamFailure,
  withoutSecrets,
} from '../../services/inference/failure.ts'
import { costOf, priceOf } from '../../services/inference/prices.ts'
import { Quality, scoreAnswer } from '../../services/inference/quality.ts'
import { upstreamSlots } from '../../services/inference/upstream-slots.ts'
import { providerAt, requestWith } from '../support/inference-service.ts'

const unpriced = { cost_per_input_token: null, cost_per_output_token: null }

test('a price comes from the model’s override, then its provider, then the list', () => {
  const priced = providerAt('p', 'http://x')
  const bare = providerAt('p', 'http://x', unpriced)
  const overrides = { 'p/gpt-4o': { tier: null, cost_per_input_token: 7, cost_per_output_token: null } }
  expect(priceOf('p/gpt-4o', priced, overrides)).toEqual({ input: 7, output: 0.002 })
  expect(priceOf('p/gpt-4o', priced, {})).toEqual({ input: 0.001, output: 0.002 })
  expect(priceOf('p/gpt-4o', bare, {})).toEqual({ input: 2.5e-6, output: 1e-5 })
  expect(priceOf('p/gpt-4o-mini-2024-07-18', bare, {}).input).toBeCloseTo(1.5e-7)
  expect(priceOf('p/anthropic/claude-sonnet-4-5', bare, {}).output).toBeCloseTo(1.5e-5)
  expect(priceOf('p/gpt-4omega', bare, {})).toEqual({ input: 0, output: 0 })
  expect(priceOf('p/__proto__', bare, {})).toEqual({ input: 0, output: 0 })
})

test('a local model costs nothing unless somebody says so', () => {
  expect(priceOf('p/gpt-4o', providerAt('p', 'http://x', { ...unpriced, is_local: true }), {})).toEqual({
    input: 0,
    output: 0,
  })
  expect(costOf({ input: 0.5, output: 2 }, { tokens_in: 4, tokens_out: 3 })).toBe(8)
})

test('capacity is a window of sixty seconds, and a reservation is corrected by the answer', () => {
  const clock = { now: 0 }
  const capacity = new Capacity(() => clock.now)
  const limited = providerAt('p', 'http://x', { tpm_limit: 1_000, rpm_limit: 10 })
  const settle = capacity.reserve('p', 500)
  expect(capacity.status(limited)).toMatchObject({
    tokens_used: 500,
    requests_used: 1,
    token_utilization: 0.5,
    headroom: 0.5,
  })
  settle(950)
  expect(capacity.status(limited)).toMatchObject({ tokens_used: 950, near_capacity: true, sustained_hot: false })
  capacity.reserve('p', 0)
  capacity.reserve('p', 0)
  expect(capacity.status(limited)).toMatchObject({ sustained_hot: true, requests_used: 3 })
  clock.now = 61_000
  expect(capacity.status(limited)).toMatchObject({ tokens_used: 0, headroom: 1, sustained_hot: false })
  expect(capacity.status(providerAt('p', 'http://x')).token_utilization).toBe(0)
})

test('quality is told from an answer’s form', () => {
  const answer = {
    text: '',
    reasoning: null,
    tool_calls: [],
    finish_reason: 'stop' as const,
    usage: { tokens_in: 1, tokens_out: 1, estimated: false },
  }
  const score = (text: string, latencyMs = 100) => scoreAnswer({ ...answer, text }, latencyMs)
  expect(score('')).toBe(0)
  expect(score('Yes.')).toBeCloseTo((0.2 + 1 + 0.9 + 0.8) / 4)
  expect(score('x'.repeat(300), 3_000)).toBeCloseTo((0.85 + 1 + 0.5 + 0.4) / 4)
  expect(score(`${'Fact. '.repeat(50)}`)).toBeGreaterThan(score(`I'm not sure, perhaps. ${'Fact. '.repeat(50)}`))
})

test('the last hundred scores of a model count', () => {
  const quality = new Quality({ 'p/m': Array(150).fill(0) })
  expect(quality.count('p/m')).toBe(100)
  for (let i = 0; i < 50; i++) quality.observe('p/m', 1, true)
  expect(quality.mean('p/m')).toBe(0.5)
  expect(quality.local).toEqual({ attempts: 50, acceptance: 1 })
  expect(quality.mean('p/other')).toBeUndefined()
})

test.each([
  [400, 'invalid_request', 'rejected'],
  [400, 'Your credit balance is too low', 'quota'],
  [401, '', 'authentication'],
  [402, '', 'quota'],
  [403, '', 'authentication'],
  [404, '', 'rejected'],
  [408, '', 'server'],
  [409, '', 'conflict'],
  [413, '', 'rejected'],
  [429, 'slow down', 'rate_limit'],
  [429, 'You exceeded your current quota', 'quota'],
  [500, '', 'server'],
  [529, 'overloaded', 'server'],
] as const)('status %i (%s) is %s', (status, words, category) => {
  expect(failureOfStatus(status, words).category).toBe(category)
})

test.each([
  [{ 'retry-after': '3' }, 3_000],
  [{ 'retry-after-ms': '250', 'retry-after': '3' }, 250],
  [{ 'retry-after': '-5' }, 0],
  [{ 'retry-after': '99999' }, 60_000],
  [{ 'retry-after': 'soon' }, undefined],
  [{}, undefined],
])('Retry-After %o is %s ms', (headers, ms) => {
  expect(failureOfStatus(429, '', headers).facts.retryAfterMs).toBe(ms)
})

test('a date as Retry-After counts from now', () => {
  const headers = { 'retry-after': new Date(Date.now() + 10_000).toUTCString() }
  const { retryAfterMs = 0 } = failureOfStatus(429, '', headers).facts
  expect(retryAfterMs).toBeGreaterThan(8_000)
  expect(retryAfterMs).toBeLessThanOrEqual(10_000)
})

test('every category has words for the user', () => {
  for (const { text } of Object.values(failureTable)) expect(text).toMatch(/provider/)
  expect(
    toUpstreamFailure(new Error('x', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) })).category,
  ).toBe('connection')
})

test('a log line is one short line without secrets', () => {
  expect(logLine(`Bearer abcdefgh12345678\nmore`)).toBe('Bearer ***')
  expect(logLine('x'.repeat(500))).toHaveLength(200)
  const secrets = { api_key: 'b+c', extra_headers: { 'x-key': 'long secret', 'x-team': 'red' } }
  expect(withoutSecrets('a b+c at ?k=b%2Bc, long secret, long+secret, red', secrets)).toBe(
    'a *** at ?k=***, ***, ***, red',
  )
})

test('tool calls are put together by index, also where every one is numbered 0', () => {
  const collect = answerCollector(requestWith())
  collect.add({ type: 'tool_call', index: 0, id: 'a', name: 'one', arguments_delta: '{"x"' })
  collect.add({ type: 'tool_call', index: 1, id: 'b', name: 'two', arguments_delta: '' })
  collect.add({ type: 'tool_call', index: 0, arguments_delta: ':1}' })
  expect(collect.add({ type: 'tool_call', index: 0, id: 'c', name: 'three', arguments_delta: ' ' })).toMatchObject({
    index: 2,
  })
  collect.add({ type: 'finish', reason: 'stop' })
  expect(collect.finish()).toMatchObject({
    finish_reason: 'tool_calls',
    tool_calls: [
      { id: 'a', name: 'one', arguments: '{"x":1}' },
      { id: 'b', name: 'two', arguments: '{}' },
      { id: 'c', name: 'three', arguments: '{}' },
    ],
  })
})

test('an answer is bounded', () => {
  const collect = answerCollector(requestWith())
  const delta = 'x'.repeat(1024 * 1024)
  expect(() => {
    for (let i = 0; i < 9; i++) collect.add({ type: 'text', delta })
  }).toThrow('over 8388608 characters')
  const calls = answerCollector(requestWith())
  expect(() => {
    for (let index = 0; index < 129; index++) calls.add({ type: 'tool_call', index, arguments_delta: '' })
  }).toThrow('Over 128 tool calls')
})

test('usage that was not sent is estimated from texts, tools and pictures', () => {
  const request = requestWith({
    messages: [
      { role: 'system', content: 'éé' },
      {
        role: 'user',
        content: [
          { type: 'text', text: '12345' },
          { type: 'image', url: 'https://x' },
        ],
      },
    ],
  })
  expect(estimateInputTokens(request)).toBe(1 + 2 + 1_000)
})

test('places for calls are bounded, waiting for them too, and who leaves the line is forgotten', async () => {
  const slots = upstreamSlots(1, 1)
  const { signal } = new AbortController()
  const giveBack = await slots.take(signal)
  const leaving = new AbortController()
  const left = slots.take(leaving.signal)
  await expect(slots.take(signal)).rejects.toMatchObject({ kind: 'unavailable' })
  leaving.abort(new RuntimeError('cancelled'))
  await expect(left).rejects.toMatchObject({ kind: 'cancelled' })
  const next = slots.take(signal)
  giveBack()
  const giveBackNext = await next
  giveBackNext()
  expect(await slots.take(signal)).toBeTypeOf('function')
})
