import { setImmediate as nextTick } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defaultConfig } from '#kernel/config/schema.ts'
import { Analyst, type AnalystDeps } from '#kernel/observatory/analysis/analyst.ts'
import { cheapestModel } from '#kernel/observatory/analysis/cheapest-model.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { InferenceResult, RoutingProfile } from '#sdk/services/inference.ts'
import { inferenceResult } from '../support/turn-fixtures.ts'

const patient = new AbortController().signal

function profile(model_name: string, change: Partial<RoutingProfile> = {}): RoutingProfile {
  return {
    model_name,
    is_local: false,
    cost_per_input_token: 0.001,
    cost_per_output_token: 0.002,
    estimated_quality: 0.6,
    availability: 1,
    capacity_headroom: 1,
    observation_count: 0,
    grade_count: 0,
    avg_grade: null,
    metascore: 0.5,
    tier: 'T2',
    usable: true,
    note: 'usable',
    ...change,
  }
}

type Complete = AnalystDeps['inference']['complete']
type Asked = Parameters<Complete>[0]
type Reply = (signal: AbortSignal, asked: Asked) => Promise<InferenceResult>

const says = (text: string, change: Partial<InferenceResult> = {}) => inferenceResult({ text, cost: 0.5, ...change })

function scene({
  replies,
  profiles = [profile('mock/m')],
  analysis = null,
  waitMs,
}: {
  replies?: Reply
  profiles?: RoutingProfile[]
  analysis?: string | null
  waitMs?: number
} = {}) {
  const asked: Asked[] = []
  const also: unknown[] = []
  const complete: Complete = (request, options) => {
    asked.push(request)
    return (replies ?? (() => Promise.resolve(says('{"word":"fine"}'))))(options?.signal ?? patient, request)
  }
  const analyst = new Analyst({
    config: { current: () => ({ ...defaultConfig, models: { ...defaultConfig.models, analysis } }) },
    inference: {
      complete,
      routingDiagnostics: (params) => {
        also.push(params.also)
        return Promise.resolve({ profiles })
      },
    },
    ...(waitMs !== undefined && { waitMs }),
  })
  const ask = (signal = patient) =>
    analyst.ask(
      {
        purpose: 'analysis',
        instructions: 'Judge.',
        text: 'Figures: 1',
        answer: z.object({ word: z.string() }),
        maxAnswer: 1_200,
        turn_id: 't',
        account: { api_key: 'k' },
      },
      signal,
    )
  return { analyst, ask, asked, also }
}

const inOrder = (...texts: string[]): Reply => {
  const rest = [...texts]
  return () => Promise.resolve(says(rest.shift() ?? ''))
}

describe('the cheapest model that will do', () => {
  const size = { tokens_in: 1_000, tokens_out: 1_000 }
  const name = (...profiles: RoutingProfile[]) => cheapestModel(profiles, size)?.model_name

  test('is that which costs least for a question of this size', () => {
    const reader = profile('a/reader', { cost_per_input_token: 0.001, cost_per_output_token: 0.01 })
    const writer = profile('a/writer', { cost_per_input_token: 0.004, cost_per_output_token: 0.002 })
    expect(name(reader, writer)).toBe('a/writer')
    expect(cheapestModel([reader, writer], { tokens_in: 9_000, tokens_out: 100 })?.model_name).toBe('a/reader')
  })

  test('is usable, and a language model', () => {
    expect(name(profile('a/blocked', { usable: false, cost_per_input_token: 0 }), profile('a/m'))).toBe('a/m')
    expect(name(profile('keel/offline', { is_local: true, cost_per_input_token: 0 }))).toBeUndefined()
    expect(name()).toBeUndefined()
  })

  test('of equals is the strongest, then the first', () => {
    expect(
      name(profile('a/weak', { tier: 'T1' }), profile('a/strong', { tier: 'T3' }), profile('a/other', { tier: 'T3' })),
    ).toBe('a/strong')
  })

  test('costs nothing where it is local; elsewhere a price that nobody told is not taken for none', () => {
    const free = { cost_per_input_token: 0, cost_per_output_token: 0 }
    expect(name(profile('a/unpriced', free), profile('a/m'))).toBe('a/m')
    expect(name(profile('a/m'), profile('b/local', { ...free, is_local: true }))).toBe('b/local')
    expect(name(profile('a/unpriced', free))).toBe('a/unpriced')
  })

  test('models.analysis wins, and nothing is sent elsewhere where it can not be used', async () => {
    const chosen = scene({
      profiles: [profile('mock/m'), profile('mock/big', { cost_per_input_token: 1 })],
      analysis: 'mock/big',
    })
    await chosen.ask()
    expect(chosen.asked.map(({ model }) => model)).toEqual(['mock/big'])
    expect(chosen.also).toEqual([['mock/big']])
    const note = 'provider breaker open'
    const broken = scene({ profiles: [profile('mock/m'), profile('x/y', { usable: false, note })], analysis: 'x/y' })
    expect(await broken.ask()).toMatchObject({
      answer: null,
      model: 'heuristic',
      reason: `models.analysis is x/y: ${note}`,
      cost: 0,
    })
    expect(broken.asked).toEqual([])
  })
})

describe('an answer', () => {
  test('is asked for once, without tools, from that model alone', async () => {
    const { ask, asked } = scene()
    const answer = await ask()
    expect(answer).toMatchObject({ answer: { word: 'fine' }, reason: null, model: 'mock/test-model', cost: 0.5 })
    expect(asked).toMatchObject([
      {
        model: 'mock/m',
        fallback: false,
        purpose: 'analysis',
        turn_id: 't',
        max_tokens: 1_200,
        temperature: 0.2,
        messages: [
          { role: 'system', content: 'Judge.' },
          { role: 'user', content: 'Figures: 1' },
        ],
      },
    ])
    expect(asked[0]).not.toHaveProperty('tools')
  })

  test('is found between other words', async () => {
    const { ask } = scene({ replies: inOrder('Here it is:\n```json\n{"word":"found"}\n```\nBye.') })
    expect((await ask()).answer).toEqual({ word: 'found' })
  })

  test.each([
    ['no JSON', 'I will not.', 'it holds no JSON object'],
    ['broken JSON', '{"word": }', 'its JSON is not valid'],
    ['another form', '{"word": 7}', 'word: is missing or not of the asked type'],
  ])('of %s is asked for again, with what was wrong in words of ours', async (_, first, complaint) => {
    const { ask, asked } = scene({ replies: inOrder(first, '{"word":"better"}') })
    expect(await ask()).toMatchObject({ answer: { word: 'better' }, cost: 1 })
    const [, second] = asked
    expect(second?.messages[0]?.content).toBe(
      `Judge.\n\nYour last answer could not be read: ${complaint}. Answer anew.`,
    )
    expect(JSON.stringify(second)).not.toContain('I will not')
  })

  test('that was cut off is asked for again, briefer', async () => {
    const replies = [says('{"word": "lo}', { finish_reason: 'length' }), says('{"word":"short"}')]
    const { ask, asked } = scene({ replies: () => Promise.resolve(replies.shift() ?? says('')) })
    expect((await ask()).answer).toEqual({ word: 'short' })
    expect(asked[1]?.messages[0]?.content).toContain('be briefer')
  })

  test('that is wrong twice is none; what it has cost is told all the same', async () => {
    const { ask, asked } = scene({ replies: inOrder('no', 'no', '{"word":"too late"}') })
    expect(await ask()).toMatchObject({
      answer: null,
      model: 'heuristic',
      reason: 'mock/m answered 2 times in another form than it was asked for: it holds no JSON object',
      cost: 1,
    })
    expect(asked).toHaveLength(2)
  })

  test('is none where no model is usable', async () => {
    const { ask, asked } = scene({ profiles: [profile('mock/m', { usable: false })] })
    expect(await ask()).toMatchObject({
      answer: null,
      model: 'heuristic',
      reason: 'no language model is configured and usable',
    })
    expect(asked).toEqual([])
  })

  const failing = (error: unknown) => scene({ replies: () => Promise.reject(error) }).ask()
  const upstream = (category: string) => new RuntimeError('upstream_failed', `words of ${category}`, { category })

  test.each(['no_provider', 'breaker'])('is none where the provider went away in between: %s', async (category) => {
    expect(await failing(upstream(category))).toMatchObject({ answer: null, reason: `words of ${category}` })
  })

  test.each(['authentication', 'server', 'timeout', 'quota'])('fails with its category: %s', async (category) => {
    await expect(failing(upstream(category))).rejects.toMatchObject({
      kind: 'upstream_failed',
      message: `analysis provider call failed: words of ${category}`,
      details: { category },
    })
  })

  test('fails as whatever else went wrong did', async () => {
    await expect(failing(new RuntimeError('unavailable', 'it restarts'))).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test('is waited for no longer than its caller waits', async () => {
    const caller = new AbortController()
    let reached: AbortSignal | undefined
    const { ask } = scene({
      replies: (signal) => {
        reached = signal
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new RuntimeError('cancelled'))))
      },
    })
    const asking = ask(caller.signal)
    await nextTick()
    caller.abort()
    await expect(asking).rejects.toMatchObject({ kind: 'cancelled' })
    expect(reached?.aborted).toBe(true)
  })
})

describe('three analyses at a time', () => {
  /** Work that lasts until it is let go. */
  function jobs(analyst: Analyst) {
    const ends: (() => void)[] = []
    return {
      get running() {
        return ends.length
      },
      end: () => ends.shift()?.(),
      begin: (signal = patient) => analyst.inPlace(signal, () => new Promise<void>((resolve) => ends.push(resolve))),
    }
  }

  test('others wait, sixteen at most, and a place that comes free is theirs', async () => {
    const work = jobs(scene().analyst)
    const begun = Array.from({ length: 3 + 16 }, () => work.begin())
    await expect(work.begin()).rejects.toMatchObject({ kind: 'unavailable', details: { retry_after_seconds: 30 } })
    await nextTick()
    expect(work.running).toBe(3)
    for (let ended = 0; ended < begun.length; ended++) {
      work.end()
      await nextTick()
    }
    await Promise.all(begun)
    void work.begin()
    await nextTick()
    expect(work.running).toBe(1)
  })

  test('who waits too long is told when to come back', async () => {
    const work = jobs(scene({ waitMs: 5 }).analyst)
    for (let n = 0; n < 3; n++) void work.begin()
    await expect(work.begin()).rejects.toMatchObject({ kind: 'unavailable', details: { retry_after_seconds: 30 } })
  })

  test('who goes away frees the place in the queue, and work that fails its own', async () => {
    const { analyst } = scene()
    const work = jobs(analyst)
    for (let n = 0; n < 3; n++) void work.begin()
    const caller = new AbortController()
    const gone = work.begin(caller.signal)
    const waits = Array.from({ length: 15 }, () => work.begin())
    caller.abort()
    await expect(gone).rejects.toMatchObject({ kind: 'cancelled' })
    const failing = expect(analyst.inPlace(patient, () => Promise.reject(new Error('broken')))).rejects.toThrow(
      'broken',
    )
    for (let ended = 0; ended < 3 + waits.length; ended++) {
      work.end()
      await nextTick()
    }
    await failing
    void work.begin()
    await nextTick()
    expect(work.running).toBe(1)
  })
})
