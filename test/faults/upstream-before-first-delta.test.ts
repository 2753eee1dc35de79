import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  providerAt,
  type RunningInference,
  requestWith,
  settingsWith,
  startInference,
} from '../support/inference-service.ts'
import { closedUpstreamUrl, startUpstream, type Upstream } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

let primary: Upstream
let spare: Upstream
let service: RunningInference
let clock = 0

beforeEach(async () => {
  clock = Date.now()
  primary = await startUpstream()
  spare = await startUpstream({ text: 'From the spare.' })
  service = await startInference({ settings: settings(10) }, { random: () => 0, now: () => clock })
})
afterEach(async () => {
  await service.close()
  await Promise.all([primary.close(), spare.close()])
})

const settings = (timeoutSeconds: number) =>
  settingsWith([providerAt('primary', primary.url), providerAt('spare', spare.url)], {
    routing: { per_provider_timeout_seconds: timeoutSeconds },
  })
/** Only for what must run into it: on a busy machine a good answer may take as long. */
const shortTimeoutSeconds = 0.2

const ask = (change: Parameters<typeof requestWith>[0] = {}) => service.inference.complete(requestWith(change))
const breaker = async () => (await service.inference.status({})).breakers.primary

interface Fault {
  reply: UpstreamReply
  category: string
  text: string
  /** Calls to the primary before the next model is asked. */
  calls: number
  /** How many failures its breaker has counted. */
  counted: number
  streams?: boolean
  status?: number
}

const network = 'network error reaching provider'
const server = 'provider server error'
const faults: Record<string, Fault> = {
  'a server error': { reply: { status: 500 }, category: 'server', text: server, calls: 3, counted: 3, status: 500 },
  'an overload (529)': { reply: { status: 529 }, category: 'server', text: server, calls: 3, counted: 3, status: 529 },
  'a request timeout (408)': {
    reply: { status: 408 },
    category: 'server',
    text: server,
    calls: 3,
    counted: 3,
    status: 408,
  },
  'a conflict': {
    reply: { status: 409 },
    category: 'conflict',
    text: 'provider error',
    calls: 1,
    counted: 1,
    status: 409,
  },
  'a refused request': {
    reply: { status: 400 },
    category: 'rejected',
    text: 'provider error',
    calls: 1,
    counted: 0,
    status: 400,
  },
  'a model it does not have': {
    reply: { status: 404 },
    category: 'rejected',
    text: 'provider error',
    calls: 1,
    counted: 0,
    status: 404,
  },
  'a redirect': {
    reply: { status: 302, body: {}, headers: { location: 'http://127.0.0.1:1/' } },
    category: 'rejected',
    text: 'provider error',
    calls: 1,
    counted: 0,
    status: 302,
  },
  'a reset': { reply: { fault: 'reset' }, category: 'reset', text: network, calls: 3, counted: 3 },
  'a hang': { reply: { fault: 'hang' }, category: 'timeout', text: network, calls: 1, counted: 1 },
  'a hang after the headers': {
    reply: { fault: 'hang', afterChunks: 0, body: undefined },
    category: 'timeout',
    text: network,
    calls: 1,
    counted: 1,
    streams: true,
  },
  'an answer that is no JSON': {
    reply: { fault: 'garbage' },
    category: 'invalid_answer',
    text: 'provider error',
    calls: 1,
    counted: 1,
  },
  'JSON that is no answer': {
    reply: { body: { hello: 'world' } },
    category: 'invalid_answer',
    text: 'provider error',
    calls: 1,
    counted: 1,
  },
  'an error object with status 200': {
    reply: { body: { error: { message: 'Overloaded', type: 'overloaded_error' } } },
    category: 'server',
    text: server,
    calls: 3,
    counted: 3,
  },
  'an empty answer': { reply: { text: '' }, category: 'empty_answer', text: 'provider error', calls: 1, counted: 0 },
  'a stream of garbage': {
    reply: { fault: 'garbage' },
    category: 'invalid_answer',
    text: 'provider error',
    calls: 1,
    counted: 1,
    streams: true,
  },
  'a stream that ends at once': {
    reply: { fault: 'truncate' },
    category: 'reset',
    text: network,
    calls: 3,
    counted: 3,
    streams: true,
  },
  'an error event in a stream': {
    reply: { fault: 'error_event' },
    category: 'server',
    text: server,
    calls: 3,
    counted: 3,
    streams: true,
  },
  'a rate limit event in a stream': {
    reply: { fault: 'error_event', error: { type: 'rate_limit_error' } },
    category: 'rate_limit',
    text: 'provider rate limit reached',
    calls: 1,
    counted: 0,
    streams: true,
  },
}

describe.each(Object.entries(faults))('%s', (_, fault) => {
  const stream = fault.streams ?? false

  test('is passed over to the next model, and the primary is used again once it is back', async () => {
    expect((await ask({ stream })).model).toBe('primary/m')
    primary.script(fault.reply)
    const before = primary.requests.length
    if (fault.category === 'timeout') await service.inference.configure(settings(shortTimeoutSeconds))
    const broken = await ask({ stream })
    await service.inference.configure(settings(10))
    expect(broken).toMatchObject({ model: 'spare/m', selected_model: 'primary/m', text: 'From the spare.' })
    expect(broken.failures).toEqual([{ model: 'primary/m', category: fault.category }])
    expect(primary.requests.length - before).toBe(fault.calls)
    expect((await breaker())?.failure_count).toBe(fault.counted)
    primary.script({})
    clock += 75_000
    expect(await ask({ stream })).toMatchObject({ model: 'primary/m', failures: [] })
    expect((await breaker())?.state).toBe('closed')
  })

  test('is told in plain words when there is no other model', async () => {
    primary.script(fault.reply)
    if (fault.category === 'timeout') await service.inference.configure(settings(shortTimeoutSeconds))
    await expect(ask({ stream, model: 'primary/m', fallback: false })).rejects.toMatchObject({
      kind: 'upstream_failed',
      message: expect.stringContaining(fault.text),
      details: {
        category: fault.category,
        failures: [{ model: 'primary/m', category: fault.category }],
        ...(fault.status ? { upstream_status: fault.status } : {}),
      },
    })
  })
})

test('a refused connection is passed over at once, and used again when somebody listens', async () => {
  const { port } = new URL(primary.url)
  await primary.close()
  expect(await ask()).toMatchObject({ model: 'spare/m', failures: [{ category: 'connection' }] })
  primary = await startUpstream({}, { port: Number(port) })
  expect((await ask()).model).toBe('primary/m')
})

test('a timeout names the setting that limited it', async () => {
  await service.inference.configure(settings(shortTimeoutSeconds))
  primary.script({ fault: 'hang' })
  await expect(ask({ model: 'primary/m', fallback: false })).rejects.toThrow(
    'network error reaching provider (limited by models.routing.per_provider_timeout_seconds = 0.2)',
  )
})

test('the time for all tries together is bounded', async () => {
  const url = await closedUpstreamUrl()
  await service.inference.configure(
    settingsWith([providerAt('primary', primary.url), providerAt('gone', url)], {
      routing: { per_provider_timeout_seconds: 5, max_total_inference_seconds: 0.2 },
    }),
  )
  primary.script({ fault: 'hang' })
  await expect(ask()).rejects.toThrow('limited by models.routing.max_total_inference_seconds = 0.2')
  expect(await primary.requests[0]?.ended).toBe('aborted')
})

test('a model with a first failure that passes is tried again and answers', async () => {
  primary.script([{ status: 503 }, { fault: 'reset' }])
  expect(await ask()).toMatchObject({ model: 'primary/m', failures: [] })
  expect(primary.requests).toHaveLength(3)
  expect(await breaker()).toMatchObject({ state: 'closed', failure_count: 0 })
})

test('no provider at all for the model is said as such', async () => {
  await service.inference.configure(
    settingsWith([providerAt('primary', primary.url, { api_key: null, key_status: 'missing' })]),
  )
  await expect(ask()).rejects.toMatchObject({
    kind: 'upstream_failed',
    message: 'no provider configured for this model',
    details: { category: 'no_provider', failures: [{ model: 'primary/m', category: 'no_provider' }] },
  })
  expect(primary.requests).toHaveLength(0)
})

test('when all models fail, the error tells of the first and lists all', async () => {
  primary.script({ status: 401 })
  spare.script({ status: 500 })
  await expect(ask()).rejects.toMatchObject({
    message: 'provider authentication error',
    details: {
      category: 'authentication',
      upstream_status: 401,
      failures: [
        { model: 'primary/m', category: 'authentication' },
        { model: 'spare/m', category: 'server' },
      ],
    },
  })
})
