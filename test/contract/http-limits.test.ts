import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { get } from '#sdk/route.ts'
import { type HttpKernel, send, startHttpKernel, testKey } from '../support/http-kernel.ts'

const table = {
  getHealth: get('/api/health', { summary: 'Health', auth: 'public', response: z.object({ ok: z.boolean() }) }),
  getCard: get('/card', { summary: 'Card', auth: 'public', response: z.object({ ok: z.boolean() }) }),
  whoAmI: get('/api/me', {
    summary: 'Caller',
    response: z.object({ ip: z.string(), actor: z.string().nullable(), authenticated: z.boolean() }),
  }),
}

let kernel: HttpKernel

beforeEach(async () => {
  kernel = await startHttpKernel(
    {
      test: {
        table,
        handlers: {
          getHealth: () => ({ ok: true }),
          getCard: () => ({ ok: true }),
          whoAmI: ({ caller: { ip, actor, authenticated } }) => ({ ip, actor: actor ?? null, authenticated }),
        },
      },
    },
    {},
    { unlimited: new Set(['test.getHealth']) },
  )
})

afterEach(() => kernel.close())

const me = (headers: Record<string, string> = {}) =>
  send(kernel.port, { path: '/api/me', headers: { 'x-api-key': testKey, ...headers } })
const wrong = () => send(kernel.port, { path: '/api/me', headers: { 'x-api-key': 'wrong' } })

describe('wrong keys', () => {
  test('after ten a minute an address has to wait, and its right key still works', async () => {
    for (let i = 0; i < 10; i++) expect(await wrong()).toMatchObject({ status: 401 })
    const refused = await wrong()
    expect(refused.status).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(JSON.parse(refused.text)).toMatchObject({
      error: 'rate_limit_exceeded',
      message: 'Too many requests, please try again later',
    })
    expect(await me()).toMatchObject({ status: 200 })
    expect(await send(kernel.port, { path: '/api/me' })).toMatchObject({ status: 401 })
  })

  test('a new key holds at once, and the old one no more', async () => {
    kernel.settings.apiKey = 'another-key'
    expect(await me()).toMatchObject({ status: 401 })
    expect(await me({ 'x-api-key': 'another-key' })).toMatchObject({ status: 200 })
    kernel.settings.apiKey = ''
    expect(await me({ 'x-api-key': '' })).toMatchObject({ status: 401 })
  })
})

describe('rate limits', () => {
  test('the second request over a capacity of one is 429 with Retry-After; health is exempt', async () => {
    kernel.settings.global = 1
    expect(await send(kernel.port, { path: '/card' })).toMatchObject({ status: 200 })
    const refused = await send(kernel.port, { path: '/card' })
    expect(refused.status).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    for (let i = 0; i < 3; i++) expect(await send(kernel.port, { path: '/api/health' })).toMatchObject({ status: 200 })
    expect(await me()).toMatchObject({ status: 200 })
  })

  test('an actor over its limit is refused in the style of its API', async () => {
    kernel.settings.perActor = 1
    expect(await me()).toMatchObject({ status: 200 })
    expect(await me()).toMatchObject({ status: 429 })
    const chat = await send(kernel.port, { path: '/v1/models', headers: { 'x-api-key': testKey } })
    expect(chat.status).toBe(429)
    expect(JSON.parse(chat.text).error).toMatchObject({
      message: 'Too many requests, please try again later',
      type: 'rate_limit_exceeded',
      code: 'rate_limit_exceeded',
    })
    expect(kernel.rateLimits.stats()).toMatchObject({ per_actor_capacity: 1, active_actors: 1 })
  })
})

describe('who is asking', () => {
  const ip = async (headers: Record<string, string> = {}) => JSON.parse((await me(headers)).text).ip
  const forwarded = '203.0.113.9, 198.51.100.7, 127.0.0.5'

  test('forwarding headers count for nothing from a peer that is no trusted proxy', async () => {
    expect(await ip({ 'x-forwarded-for': '203.0.113.9', 'x-real-ip': '203.0.113.9' })).toBe('127.0.0.1')
    kernel.settings.trustedProxyCidrs = ['10.0.0.0/8', 'nonsense']
    expect(await ip({ 'x-forwarded-for': '203.0.113.9' })).toBe('127.0.0.1')
  })

  test('behind a trusted proxy it is the last hop that no trusted proxy added', async () => {
    kernel.settings.trustedProxyCidrs = ['127.0.0.0/8']
    expect(await ip()).toBe('127.0.0.1')
    expect(await ip({ 'x-forwarded-for': forwarded })).toBe('198.51.100.7')
    expect(await ip({ 'x-forwarded-for': 'junk, 198.51.100.7' })).toBe('198.51.100.7')
    expect(await ip({ 'x-forwarded-for': '198.51.100.7, junk' })).toBe('127.0.0.1')
    expect(await ip({ 'x-forwarded-for': '::ffff:198.51.100.7' })).toBe('198.51.100.7')
    expect(await ip({ 'x-real-ip': '2001:DB8::0:1' })).toBe('2001:db8::1')
  })

  test('the actor is named by its scheme and a digest, never by the key', async () => {
    expect(JSON.parse((await me()).text)).toMatchObject({
      authenticated: true,
      actor: expect.stringMatching(/^api_key:[0-9a-f]{16}$/),
    })
    const bearer = await send(kernel.port, { path: '/api/me', headers: { authorization: `Bearer ${testKey}` } })
    expect(JSON.parse(bearer.text).actor).toMatch(/^bearer:[0-9a-f]{16}$/)
  })
})
