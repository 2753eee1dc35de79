import { expect, test } from 'vitest'
import type { InferenceResult } from '#sdk/services/inference.ts'
import type { CacheEntry } from '#sdk/services/kernel.ts'
import { cacheKey, sameSetting, semanticText } from '../../services/inference/cache-key.ts'
import { InFlight } from '../../services/inference/in-flight.ts'
import { ResponseCache } from '../../services/inference/response-cache.ts'
import { requestWith } from '../support/inference-service.ts'

const settings = { enabled: true, ttl_seconds: 100, semantic_threshold: 0.9, max_entries: 3 }
const result: InferenceResult = {
  text: 'An answer.',
  reasoning: null,
  tool_calls: [],
  finish_reason: 'stop',
  usage: { tokens_in: 3, tokens_out: 4, estimated: false },
  model: 'p/m',
  selected_model: 'p/m',
  cost: 1,
  latency_ms: 5,
  cached: false,
  cache_level: null,
  tokens_saved: 0,
  quality_score: 0.7,
  failures: [],
}

function startCache(saved: CacheEntry[] = []) {
  const clock = { now: 0 }
  const kept: CacheEntry[] = []
  const cache = new ResponseCache(settings, saved, { now: () => clock.now, save: (entry) => void kept.push(entry) })
  return { cache, clock, kept }
}

test('the key is of the whole question, and of nothing else', () => {
  const key = cacheKey('s', requestWith({ temperature: 0.5 }))
  expect(cacheKey('s', requestWith({ temperature: 0.5, request_id: 'x', turn_id: 'y', stream: true }))).toBe(key)
  const others = [
    cacheKey('t', requestWith({ temperature: 0.5 })),
    cacheKey(null, requestWith({ temperature: 0.5 })),
    cacheKey('s', requestWith({ temperature: 0.6 })),
    cacheKey('s', requestWith({ temperature: 0.5, model: 'p/m' })),
    cacheKey('s', requestWith({ temperature: 0.5, text: 'Other' })),
    cacheKey('s', requestWith({ temperature: 0.5, tools: [{ name: 't', description: '', parameters: {} }] })),
    cacheKey('s', requestWith({ temperature: 0.5, seed: 1 })),
    cacheKey('s', requestWith({ temperature: 0.5, response_format: { type: 'json_object' } })),
  ]
  expect(new Set([key, ...others]).size).toBe(others.length + 1)
})

test('the order of an object’s keys does not matter', () => {
  const format = (schema: object) => cacheKey('s', requestWith({ response_format: { type: 'json_schema', schema } }))
  expect(format({ a: 1, b: { c: 2, d: 3 } })).toBe(format({ b: { d: 3, c: 2 }, a: 1 }))
})

test('only the first half is shared by similar questions', () => {
  const system = { role: 'system' as const, content: 'Be brief.' }
  const ask = (content: string, first = system) =>
    cacheKey('s', requestWith({ messages: [first, { role: 'user', content }] }))
  expect(sameSetting(ask('One?'), ask('Two?'))).toBe(true)
  expect(sameSetting(ask('One?'), ask('One?', { ...system, content: 'Be long.' }))).toBe(false)
})

test.each([
  ['a cool question', { temperature: 0.3 }, 'user: Hello?'],
  ['one without a temperature', {}, undefined],
  ['a warm one', { temperature: 0.31 }, undefined],
  ['one with tools', { temperature: 0, tools: [{ name: 't', description: '', parameters: {} }] }, undefined],
  ['a long conversation', { temperature: 0, messages: Array(5).fill({ role: 'user', content: 'x' }) }, undefined],
  [
    'one with a picture',
    { temperature: 0, messages: [{ role: 'user', content: [{ type: 'image', url: 'https://x' }] }] },
    undefined,
  ],
] as [string, Parameters<typeof requestWith>[0], string | undefined][])(
  'likeness counts for %s as it should',
  (_, change, text) => {
    expect(semanticText(requestWith(change))).toBe(text)
  },
)

test('an answer is given again until its time is over', () => {
  const { cache, clock, kept } = startCache()
  cache.store('k', 's', requestWith(), result, null)
  clock.now = 99_999
  expect(cache.find('k')).toMatchObject({ level: 'exact', result: { text: 'An answer.' } })
  clock.now = 100_000
  expect(cache.find('k')).toBeUndefined()
  expect(kept).toHaveLength(1)
})

test('an answer that rests on a tool ages four times as fast', () => {
  const { cache, clock } = startCache()
  const request = requestWith({ messages: [{ role: 'tool', content: 'Rain', tool_call_id: 'c' }] })
  cache.store('k', 's', request, result, null)
  expect(cache.find('k')?.level).toBe('tool_ttl')
  clock.now = 25_000
  expect(cache.find('k')).toBeUndefined()
})

test('what calls tools, was cut off or was refused is made anew', () => {
  const { cache, kept } = startCache()
  cache.store('a', 's', requestWith(), { ...result, finish_reason: 'length' }, null)
  cache.store('b', 's', requestWith(), { ...result, tool_calls: [{ id: 'c', name: 't', arguments: '{}' }] }, null)
  cache.store('c', 's', requestWith(), { ...result, text: 'x'.repeat(1_100_000) }, null)
  expect(cache.status().entries).toBe(0)
  expect(kept).toHaveLength(0)
})

test('the least used answer makes room', () => {
  const { cache } = startCache()
  for (const key of ['a', 'b', 'c']) cache.store(key, 's', requestWith(), result, null)
  cache.find('a')
  cache.store('d', 's', requestWith(), result, null)
  expect(['a', 'b', 'c', 'd'].map((key) => cache.find(key) !== undefined)).toEqual([true, false, true, true])
})

test('a similar question is answered from the likest answer over the threshold', () => {
  const { cache } = startCache()
  cache.store('sameone1', 's', requestWith(), { ...result, text: 'first' }, [1, 0])
  cache.store('sameone2', 's', requestWith(), { ...result, text: 'second' }, [0.95, 0.31])
  cache.store('othrone3', 's', requestWith(), { ...result, text: 'third' }, [0.9, 0.44])
  expect(cache.findSimilar('same0000', [0.9, 0.44])).toMatchObject({ level: 'semantic', result: { text: 'second' } })
  expect(cache.findSimilar('same0000', [0, 1])).toBeUndefined()
  expect(cache.findSimilar('same0000', [1, 0, 0])).toBeUndefined()
})

test('what was kept is there again, unless the cache is off', () => {
  const { cache, kept } = startCache()
  cache.store('k', 's', requestWith(), result, [1])
  const again = startCache(kept).cache
  expect(again.find('k')?.result.text).toBe('An answer.')
  again.configure({ ...settings, enabled: false })
  expect(again.status()).toMatchObject({ enabled: false, entries: 0 })
  again.configure(settings)
  expect(again.find('k')).toBeUndefined()
})

test('work shared by many ends when the last of them leaves, and not before', async () => {
  const flights = new InFlight()
  const ended = Promise.withResolvers<unknown>()
  const work = ({ signal }: { signal: AbortSignal }) =>
    new Promise<InferenceResult>((_, reject) => {
      signal.addEventListener('abort', () => {
        ended.resolve(signal.reason)
        reject(signal.reason)
      })
    })
  const leave = [new AbortController(), new AbortController()]
  const askers = leave.map(({ signal }) => flights.join('k', { signal, emit: async () => {} }, work))
  const first = expect(askers[0]).rejects.toThrow('first left')
  const second = expect(askers[1]).rejects.toThrow('second left')
  leave[0]?.abort(new Error('first left'))
  await first
  const state = await Promise.race([ended.promise, Promise.resolve('still at it')])
  expect(state).toBe('still at it')
  leave[1]?.abort(new Error('second left'))
  await second
  expect(await ended.promise).toMatchObject({ message: 'second left' })
  await expect(
    flights.join('k', { signal: new AbortController().signal, emit: async () => {} }, async () => result),
  ).resolves.toEqual({ result, shared: false })
})
