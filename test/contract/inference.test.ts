import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { InferenceChunk, InferenceSettings } from '#sdk/services/inference.ts'
import {
  eventually,
  forkInference,
  providerAt,
  type RunningInference,
  requestWith,
  settingsWith,
  startInference,
} from '../support/inference-service.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const weatherTool = {
  name: 'weather',
  description: 'Tells the weather.',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}

describe.each([
  ['in memory', startInference],
  ['in a process of its own', forkInference],
])('the inference service %s', (_, start) => {
  let upstream: Upstream
  let service: RunningInference
  let settings: InferenceSettings

  beforeAll(async () => {
    upstream = await startUpstream()
    settings = settingsWith([
      providerAt('openai', upstream.url),
      providerAt('anthropic', upstream.url, { format: 'anthropic' }),
      providerAt('google', upstream.url, { format: 'google' }),
      providerAt('ollama', upstream.url, {
        format: 'ollama',
        is_local: true,
        api_key: null,
        key_status: 'not_required',
      }),
    ])
    service = await start({ settings })
  })
  beforeEach(async () => {
    upstream.script({})
    for (const { name } of settings.providers) await service.inference.resetBreaker({ provider: name })
    await service.inference.configure(settings)
  })
  afterAll(async () => {
    await service.close()
    await upstream.close()
  })

  async function ask(change: Parameters<typeof requestWith>[0] = {}) {
    const chunks: InferenceChunk[] = []
    const result = await service.inference.complete(requestWith(change), {
      onChunk: (chunk) => void chunks.push(chunk),
    })
    const text = chunks.flatMap((chunk) => (chunk.type === 'text' ? [chunk.delta] : [])).join('')
    return { result, chunks, text, sent: upstream.requests.at(-1) }
  }

  describe.each(['openai', 'anthropic', 'google', 'ollama'])('with %s', (name) => {
    const model = `${name}/m`

    test('answers whole', async () => {
      const { result, chunks } = await ask({ model })
      expect(result).toMatchObject({
        text: 'Hello from upstream.',
        model,
        selected_model: model,
        finish_reason: 'stop',
        usage: { tokens_in: 11, tokens_out: 7, estimated: false },
        cached: false,
        failures: [],
      })
      expect(result.cost).toBeCloseTo(0.025)
      expect(chunks.map(({ type }) => type)).toEqual(['selected'])
    })

    test('streams, the selection first', async () => {
      const { result, chunks, text } = await ask({ model, stream: true })
      expect(chunks[0]).toMatchObject({ type: 'selected', selection: { selected_model: model, strategy: 'pinned' } })
      expect(chunks.length).toBeGreaterThan(3)
      expect(text).toBe('Hello from upstream.')
      expect(result).toMatchObject({ text, usage: { tokens_in: 11, tokens_out: 7, estimated: false } })
    })

    test.each([false, true])('calls tools (streamed: %s)', async (stream) => {
      upstream.script({
        text: 'Let me see.',
        toolCalls: [
          { name: 'weather', arguments: '{"city":"Ghent"}' },
          { name: 'weather', arguments: '' },
        ],
      })
      const { result } = await ask({ model, stream, tools: [weatherTool] })
      expect(result.text).toBe('Let me see.')
      expect(result.tool_calls.map(({ name: tool, arguments: args }) => [tool, args])).toEqual([
        ['weather', '{"city":"Ghent"}'],
        ['weather', '{}'],
      ])
      expect(new Set(result.tool_calls.map(({ id }) => id)).size).toBe(2)
      expect(result.finish_reason).toBe('tool_calls')
    })

    test('keeps reasoning apart from the answer', async () => {
      upstream.script({ reasoning: 'Thinking about it.' })
      const streamed = await ask({ model, stream: true })
      expect(streamed.result).toMatchObject({ reasoning: 'Thinking about it.', text: 'Hello from upstream.' })
      expect(streamed.text).toBe('Hello from upstream.')
      expect((await ask({ model })).result.reasoning).toBe('Thinking about it.')
    })

    test.each(['length', 'content_filter'] as const)('tells that the answer ended by %s', async (finishReason) => {
      upstream.script({ finishReason })
      expect((await ask({ model, stream: true })).result.finish_reason).toBe(finishReason)
      expect((await ask({ model })).result.finish_reason).toBe(finishReason)
    })

    test('estimates the figures that are not sent', async () => {
      upstream.script({ usage: null })
      const { result } = await ask({ model, stream: true })
      expect(result.usage).toEqual({ tokens_in: 2, tokens_out: 5, estimated: true })
    })
  })

  test('speaks OpenAI: the key as bearer, usage asked for, the prefix taken off once', async () => {
    const { sent } = await ask({
      model: 'openai/vendor/m',
      stream: true,
      max_tokens: 20,
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'See' },
            { type: 'image', url: 'data:image/png;base64,AAAA' },
          ],
        },
        { role: 'assistant', content: '', tool_calls: [{ id: 'c1', name: 'weather', arguments: '{}' }] },
        { role: 'tool', content: 'Rain', tool_call_id: 'c1' },
        { role: 'assistant', content: '' },
      ],
      tools: [weatherTool],
      tool_choice: { name: 'weather' },
    })
    expect(sent?.path).toBe('/v1/chat/completions')
    expect(sent?.headers.authorization).toBe('Bearer test-key')
    expect(sent?.body).toMatchObject({
      model: 'vendor/m',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 20,
      tool_choice: { type: 'function', function: { name: 'weather' } },
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [{ type: 'text' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
        },
        {
          role: 'assistant',
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'Rain' },
      ],
    })
    expect(sent?.body.messages).toHaveLength(4)
  })

  test('speaks Anthropic: system texts joined, neighbours merged, a limit always there', async () => {
    const { sent } = await ask({
      model: 'anthropic/m',
      messages: [
        { role: 'system', content: 'First.' },
        { role: 'assistant', content: 'Welcome.' },
        { role: 'system', content: 'Second.' },
        { role: 'user', content: 'One' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Two' },
            { type: 'image', url: 'data:image/png;base64,AAAA' },
          ],
        },
        { role: 'assistant', content: '', tool_calls: [{ id: 'c1', name: 'weather', arguments: '{"city":"Ghent"}' }] },
        { role: 'tool', content: 'Rain', tool_call_id: 'c1' },
        { role: 'user', content: 'Thanks' },
      ],
      tools: [weatherTool],
      tool_choice: 'required',
    })
    expect(sent?.path).toBe('/v1/messages')
    expect(sent?.headers).toMatchObject({ 'x-api-key': 'test-key', 'anthropic-version': '2023-06-01' })
    expect(sent?.headers.authorization).toBeUndefined()
    expect(sent?.body).toMatchObject({
      model: 'm',
      system: 'First.\n\nSecond.',
      max_tokens: 4096,
      tool_choice: { type: 'any' },
      tools: [{ name: 'weather', input_schema: { type: 'object' } }],
      messages: [
        { role: 'user', content: [{ type: 'text' }] },
        { role: 'assistant', content: [{ type: 'text', text: 'Welcome.' }] },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'One' },
            { type: 'text', text: 'Two' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          ],
        },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'weather', input: { city: 'Ghent' } }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text: 'Rain' }] },
            { type: 'text', text: 'Thanks' },
          ],
        },
      ],
    })
  })

  test('speaks Google: system texts apart, calls and their answers by name', async () => {
    const { sent } = await ask({
      model: 'google/gemini-test',
      stream: true,
      max_tokens: 9,
      messages: [
        { role: 'system', content: 'First.' },
        { role: 'user', content: 'One' },
        {
          role: 'assistant',
          content: 'Well',
          tool_calls: [{ id: 'c1', name: 'weather', arguments: '{"city":"Ghent"}' }],
        },
        { role: 'tool', content: 'Rain', tool_call_id: 'c1' },
      ],
      tools: [weatherTool],
    })
    expect(sent?.path).toBe('/v1beta/models/gemini-test:streamGenerateContent?alt=sse')
    expect(sent?.headers['x-goog-api-key']).toBe('test-key')
    expect(sent?.body).toMatchObject({
      systemInstruction: { parts: [{ text: 'First.' }] },
      generationConfig: { maxOutputTokens: 9 },
      contents: [
        { role: 'user', parts: [{ text: 'One' }] },
        { role: 'model', parts: [{ text: 'Well' }, { functionCall: { name: 'weather', args: { city: 'Ghent' } } }] },
        { role: 'user', parts: [{ functionResponse: { name: 'weather', response: { output: 'Rain' } } }] },
      ],
    })
  })

  test.each([
    [{ auth_header: 'X-Token' }, (sent: Upstream['requests'][0]) => sent.headers['x-token']],
    [
      { auth_header: 'query:key' },
      (sent: Upstream['requests'][0]) => new URL(sent.path, 'http://x').searchParams.get('key'),
    ],
    [{ extra_headers: { 'X-Extra': 'test-key' } }, (sent: Upstream['requests'][0]) => sent.headers['x-extra']],
    [{ chat_path: '/custom/chat' }, (sent: Upstream['requests'][0]) => sent.path.replace('/custom/chat', 'test-key')],
  ])('sends the request as the settings say: %o', async (change, read) => {
    await service.inference.configure(settingsWith([providerAt('openai', upstream.url, change)]))
    const { sent } = await ask()
    expect(sent && read(sent)).toBe('test-key')
    if ('auth_header' in change) expect(sent?.headers.authorization).toBeUndefined()
  })

  test('takes an address with its version as well as without', async () => {
    await service.inference.configure(settingsWith([providerAt('openai', `${upstream.url}/v1/`)]))
    expect((await ask()).sent?.path).toBe('/v1/chat/completions')
  })

  test('takes a whole answer where a stream was asked for', async () => {
    const whole = { choices: [{ message: { content: 'All of it.' }, finish_reason: 'stop' }] }
    upstream.script({ body: whole })
    const { result, text } = await ask({ stream: true })
    expect(result).toMatchObject({ text: 'All of it.', usage: { estimated: true } })
    expect(text).toBe('All of it.')
  })

  test('knows an error that stands bare in a stream', async () => {
    const bare = { object: 'error', message: 'context length exceeded', type: 'invalid_request_error', code: 400 }
    upstream.script([{ body: bare }])
    expect(await ask().then(({ result }) => result.failures)).toEqual([{ model: 'openai/m', category: 'rejected' }])
  })

  test('a pinned model falls back through the configured ones, unless it may not', async () => {
    upstream.script([{ status: 400 }])
    expect((await ask({ model: 'ollama/m' })).result.model).toBe('anthropic/m')
    upstream.script([{ status: 400 }])
    await expect(ask({ model: 'ollama/m', fallback: false })).rejects.toMatchObject({ kind: 'upstream_failed' })
  })

  test('tells its choice also when there is nobody to ask', async () => {
    await service.inference.configure(
      settingsWith([providerAt('openai', '', { key_status: 'missing', api_key: null })]),
    )
    const chunks: InferenceChunk[] = []
    const asked = service.inference.complete(requestWith(), { onChunk: (chunk) => void chunks.push(chunk) })
    await expect(asked).rejects.toThrow('no provider configured for this model')
    expect(chunks).toMatchObject([{ type: 'selected', selection: { strategy: 'last_resort_primary' } }])
  })

  test('refuses what may cost more than the caller allows', async () => {
    await service.inference.configure(settingsWith([providerAt('openai', upstream.url)]))
    await expect(ask({ max_cost: 0 })).rejects.toMatchObject({ kind: 'forbidden', details: { code: 'cost_limit' } })
  })

  test('records each call once, with the turn it belongs to', async () => {
    service.kept.costs.length = 0
    await ask({ turn_id: 'turn-1' })
    await ask({ purpose: 'nickname' })
    await eventually(() => service.kept.costs.length === 2, 'two costs')
    expect(service.kept.costs).toMatchObject([
      {
        model: 'openai/m',
        provider: 'openai',
        tokens_in: 11,
        tokens_out: 7,
        tier: null,
        cached: false,
        turn_id: 'turn-1',
      },
      { tier: 'nickname', turn_id: null, estimated: false },
    ])
    expect(service.kept.costs[0]?.cost).toBeCloseTo(0.025)
    expect(service.kept.costs[0]?.quality_score).toBeGreaterThan(0)
  })

  test('what a replay is answered says nothing of how good a model is', async () => {
    const observations = async () =>
      (await service.inference.routingDiagnostics({})).profiles.map(({ observation_count: count }) => count)
    service.kept.costs.length = 0
    await ask()
    const before = await observations()
    await ask({ purpose: 'replay' })
    expect(await observations()).toEqual(before)
    await ask()
    expect(await observations()).not.toEqual(before)
    await eventually(() => service.kept.costs.length === 3, 'three costs')
    expect(service.kept.costs[1]).toMatchObject({ tier: 'replay', quality_score: null })
  })

  test('answers from the cache within one scope and never across', async () => {
    service.kept.costs.length = 0
    const asked = upstream.requests.length
    const first = await ask({ text: 'Cached?', cache_scope: 'a' })
    const second = await ask({ text: 'Cached?', cache_scope: 'a', stream: true })
    const third = await ask({ text: 'Cached?', cache_scope: 'b' })
    expect(upstream.requests.length - asked).toBe(2)
    expect([first, second, third].map(({ result }) => result.cached)).toEqual([false, true, false])
    expect(second.result).toMatchObject({
      cache_level: 'exact',
      cost: 0,
      tokens_saved: 18,
      text: 'Hello from upstream.',
    })
    expect(second.text).toBe('Hello from upstream.')
    expect(second.chunks[0]).toMatchObject({ type: 'selected', selection: { strategy: 'cached_exact' } })
    await eventually(() => service.kept.costs.length === 3, 'three costs')
    expect(service.kept.costs[1]).toMatchObject({ tier: 'cached', cached: true, cost: 0, tokens_saved: 18 })
    expect(service.kept.cache.some(({ scope }) => scope === 'a')).toBe(true)
    const { cache } = await service.inference.status({})
    expect(cache.by_level.exact).toBeGreaterThanOrEqual(1)
  })

  test('answers a similar question from the cache when there are embeddings', async () => {
    await service.inference.configure(
      settingsWith([providerAt('openai', upstream.url)], {
        embedding_model: 'openai/e',
        cache: { semantic_threshold: 0.9 },
      }),
    )
    const about = { cache_scope: 'semantic', temperature: 0 }
    await ask({ ...about, text: 'What is the capital of Belgium, please?' })
    const similar = await ask({ ...about, text: 'What is the capital of Belgium, please' })
    const other = await ask({ ...about, text: 'How do whales sleep?' })
    const warm = await ask({ ...about, text: 'What is the capital of Belgium, pleas?', temperature: 1 })
    expect([similar, other, warm].map(({ result }) => result.cache_level)).toEqual(['semantic', null, null])
  })

  test('asks once for many identical questions, and one who leaves does not end it for the others', async () => {
    const asked = upstream.requests.length
    upstream.script({ delayMs: 50 })
    const impatient = new AbortController()
    const request = { text: 'All at once', purpose: 'proxy' as const, model: 'openai/m' }
    const leaving = service.inference.complete(requestWith(request), { signal: impatient.signal })
    const staying = Array.from({ length: 63 }, () => ask(request))
    await upstream.received(asked + 1)
    impatient.abort()
    await expect(leaving).rejects.toMatchObject({ kind: 'cancelled' })
    const answers = await Promise.all(staying)
    expect(answers.every(({ result }) => result.text === 'Hello from upstream.')).toBe(true)
    expect(upstream.requests.length - asked).toBe(1)
  })

  test('tells an unknown model from one that fails', async () => {
    await expect(ask({ model: 'nobody/m' })).rejects.toMatchObject({
      kind: 'not_found',
      message: 'The model nobody/m is not known',
      details: { code: 'model_not_found' },
    })
  })

  test('lists models of every provider, with the built-in one', async () => {
    await service.inference.configure(
      settingsWith([
        providerAt('openai', upstream.url),
        providerAt('cloud', upstream.url, { api_key: null, key_status: 'missing' }),
        providerAt('gone', '', {}),
      ]),
    )
    const { models, providers } = await service.inference.listModels({ refresh: true })
    expect(models).toEqual(
      expect.arrayContaining(['openai/test-model', 'openai/test-small', 'keel/offline', 'openai/m']),
    )
    expect(providers).toMatchObject({
      openai: { status: 'ok', count: 2 },
      cloud: { status: 'skipped', reason: 'missing_api_key' },
      gone: { status: 'skipped', reason: 'missing_url' },
    })
    const one = await service.inference.listModels({ provider: 'OpenAI', probe: true })
    expect(Object.keys(one.providers)).toEqual(['openai'])
  })

  test.each(['openai', 'google', 'ollama'])('makes embeddings with %s', async (name) => {
    const { vectors, model, usage } = await service.inference.embed({ model: `${name}/e`, input: ['one', 'two'] })
    expect(vectors).toHaveLength(2)
    expect(vectors[0]).toHaveLength(64)
    expect(vectors[0]).not.toEqual(vectors[1])
    expect(model).toBe(`${name}/e`)
    expect(usage.tokens_in).toBeGreaterThan(0)
  })

  test('shows breakers, capacity and profiles, and an operator may open and reset a breaker', async () => {
    expect(await service.inference.openBreaker({ provider: 'openai' })).toEqual({ known: true })
    expect((await service.inference.status({})).breakers.openai).toMatchObject({
      state: 'open',
      blocked: true,
      operator_forced_open: true,
    })
    const { result } = await ask()
    expect(result.model).toBe('anthropic/m')
    await expect(ask({ model: 'openai/m', fallback: false })).rejects.toMatchObject({
      kind: 'upstream_failed',
      message: 'provider temporarily unavailable',
    })
    expect(await service.inference.resetBreaker({ provider: 'openai' })).toEqual({ known: true })
    expect(await service.inference.resetBreaker({ provider: 'nobody' })).toEqual({ known: false })
    const status = await service.inference.status({})
    expect(status).toMatchObject({
      current_model: 'openai/m',
      breakers: { openai: { state: 'closed', blocked: false } },
    })
    expect(status.capacity.openai?.requests_used).toBeGreaterThan(0)
    const { profiles } = await service.inference.routingDiagnostics({})
    expect(profiles.map(({ model_name: name }) => name)).toEqual(['openai/m', 'anthropic/m', 'google/m', 'ollama/m'])
    expect(profiles[0]?.observation_count).toBeGreaterThan(0)
  })

  test('has a model of its own when nothing is configured', async () => {
    await service.inference.configure(settingsWith([]))
    const { result, text } = await ask({ stream: true })
    expect(result).toMatchObject({ model: 'keel/offline', cost: 0 })
    expect(text).toBe(result.text)
    expect(text).toContain('no language model')
  })
})
