import { gzipSync } from 'node:zlib'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import { del, get, post, put } from '#sdk/route.ts'
import { type HttpKernel, type PlainRequest, send, sendRaw, startHttpKernel, testKey } from '../support/http-kernel.ts'

const things = {
  getHealth: get('/api/health', { summary: 'Health', auth: 'public', response: z.object({ status: z.string() }) }),
  getThing: get('/api/things/:id', { summary: 'Thing', response: z.object({ id: z.string() }) }),
  getCatalog: get('/api/things/catalog', { summary: 'Catalog', response: z.object({ catalog: z.literal(true) }) }),
  listThings: get('/api/things', {
    summary: 'Things',
    query: z.object({
      limit: z.coerce.number<string>().int('must be an integer').default(5),
      tag: z.string().optional(),
    }),
    response: z.object({ limit: z.number(), tag: z.string().nullable() }),
  }),
  createThing: post('/api/things', {
    summary: 'Create a thing',
    body: z.object({
      name: z.string(),
      grade: z.number().optional(),
      extra: z.record(z.string(), z.unknown()).optional(),
    }),
    response: z.object({ name: z.string(), keys: z.array(z.string()) }),
  }),
  approveThing: post('/api/things/:id/approve', {
    summary: 'Approve',
    body: z.object({ note: z.string().optional() }).optional(),
    response: z.object({ note: z.string().nullable() }),
  }),
  resetThings: post('/api/things/reset', { summary: 'Reset', response: z.object({ reset: z.boolean() }) }),
  deleteThing: del('/api/things/:id', { summary: 'Delete', response: z.void() }),
  updateThing: put('/api/things/:id', { summary: 'Later', body: z.object({}), response: z.void() }),
  failThing: post('/api/fail', {
    summary: 'Fail',
    body: z.object({ kind: z.string(), message: z.string() }),
    response: z.void(),
  }),
  receiveHook: post('/api/webhooks/test', {
    summary: 'Hook',
    auth: 'public',
    errors: 'ok_false',
    rawBody: true,
    maxBodyBytes: 100,
    response: z.object({ ok: z.boolean(), bytes: z.string() }),
  }),
  chat: post('/v1/chat/completions', {
    summary: 'Chat',
    errors: 'openai',
    body: z.object({ model: z.string() }),
    response: z.object({ model: z.string() }),
  }),
  getModels: get('/anthropic/v1/models', { summary: 'Models', errors: 'anthropic', response: z.object({}) }),
  answerTwice: get('/api/twice', { summary: 'A mistake', kind: 'text', response: z.string() }),
  getWords: get('/api/words', { summary: 'Words', kind: 'text', response: z.string() }),
  getText: get('/metrics', { summary: 'Metrics', kind: 'text', response: z.string() }),
}

let kernel: HttpKernel
let calls = 0
const logged: string[] = []

beforeAll(async () => {
  kernel = await startHttpKernel<{ things: typeof things }, { calls: () => void }>(
    {
      things: {
        table: things,
        handlers: {
          getHealth: () => ({ status: 'ok' }),
          getThing: ({ params }) => ({ id: params.id }),
          getCatalog: () => ({ catalog: true }),
          listThings: ({ query }) => ({ limit: query.limit, tag: query.tag ?? null }),
          createThing: ({ body, reply }, context) => {
            context.calls()
            reply.status(201).header('x-total-count', 1)
            return { name: body.name, keys: Object.keys(body.extra ?? {}) }
          },
          approveThing: ({ body }) => ({ note: body?.note ?? null }),
          resetThings: () => ({ reset: true }),
          deleteThing: () => undefined,
          failThing: ({ body }) => {
            if (body.kind === 'plain') throw new TypeError(body.message)
            if (body.kind === 'limited')
              throw new RuntimeError('rate_limited', body.message, { retry_after_seconds: 6.2 })
            if (body.kind === 'internal') throw new RuntimeError('internal', body.message, { secret: true })
            if (body.kind === 'upstream') throw new RuntimeError('upstream_failed', body.message)
            throw new RuntimeError('conflict', body.message, { holder: 'me' })
          },
          receiveHook: ({ body }) => ({ ok: true, bytes: body.toString('hex') }),
          chat: ({ body }) => {
            if (body.model === 'none') throw new RuntimeError('not_found', 'The model none does not exist')
            return { model: body.model }
          },
          getModels: () => {
            throw new RuntimeError('unavailable', 'inference is starting', { retry_after_seconds: 2 })
          },
          answerTwice: ({ reply }) => {
            reply.text('once')
            return reply.text('twice')
          },
          getWords: () => 'plain words',
          getText: ({ reply }) => reply.text('up 1\n', 'text/plain; version=0.0.4'),
        },
      },
    },
    { calls: () => calls++ },
    {
      pending: new Set(['things.updateThing']),
      unlimited: new Set(['things.getHealth']),
      publicFile: (path) =>
        path === '/assets/app.js'
          ? { body: Buffer.from('1'), type: 'text/javascript; charset=utf-8', etag: '"1"' }
          : undefined,
      log: pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) }),
    },
  )
})

afterAll(() => kernel.close())

beforeEach(() => {
  calls = 0
  logged.length = 0
  kernel.settings.hosts = []
  kernel.settings.allowedOrigins = []
})

const json = { 'content-type': 'application/json', 'x-api-key': testKey }

function ask(request: PlainRequest) {
  return send(kernel.port, { ...request, headers: { 'x-api-key': testKey, ...request.headers } })
}

function postJson(path: string, body: unknown) {
  return send(kernel.port, { method: 'POST', path, headers: json, body: JSON.stringify(body) })
}

describe('routing', () => {
  test.each([
    ['a literal before a parameter', 'GET', '/api/things/catalog', 200, '{"catalog":true}'],
    ['a parameter, decoded', 'GET', '/api/things/a%2Fb', 200, '{"id":"a/b"}'],
    ['a query, with its default', 'GET', '/api/things?tag=x', 200, '{"limit":5,"tag":"x"}'],
    ['an answer without a body', 'DELETE', '/api/things/1', 204, ''],
    ['an unknown path', 'GET', '/api/nothing', 404, '{"error":"not found"}'],
    ['another case', 'GET', '/API/things', 404, '{"error":"not found"}'],
    ['a trailing slash', 'GET', '/api/things/', 404, '{"error":"not found"}'],
    ['a doubled slash', 'GET', '//api/things', 404, '{"error":"not found"}'],
    ['a dotted path', 'GET', '/api/./things', 404, '{"error":"not found"}'],
    ['another method', 'DELETE', '/api/things', 405, '{"error":"method not allowed"}'],
    ['an unknown method', 'PATCH', '/api/things', 405, '{"error":"method not allowed"}'],
    ['a pending route', 'PUT', '/api/things/1', 501, '{"error":"Later is not implemented yet"}'],
    ['broken percent-encoding', 'GET', '/api/things/%E0%A4%A', 400, '{"error":"path: is not valid percent-encoding"}'],
  ])('%s', async (_, method, path, status, text) => {
    expect(await ask({ method, path })).toMatchObject({ status, text })
  })

  test('405 names what is allowed', async () => {
    expect((await ask({ method: 'DELETE', path: '/api/things' })).headers.allow).toBe('GET, POST')
    expect((await ask({ method: 'POST', path: '/api/things/7' })).headers.allow).toBe('GET, DELETE, PUT')
  })

  test('HEAD answers as GET without the body', async () => {
    const { status, headers, text } = await ask({ method: 'HEAD', path: '/api/things/catalog' })
    expect({ status, length: headers['content-length'], text }).toEqual({ status: 200, length: '16', text: '' })
  })

  test('status and headers of the handler, its own content type, and public files', async () => {
    const created = await postJson('/api/things', { name: 'n' })
    expect(created).toMatchObject({ status: 201, headers: { 'x-total-count': '1' } })
    expect(await ask({ path: '/metrics' })).toMatchObject({
      status: 200,
      text: 'up 1\n',
      headers: { 'content-type': 'text/plain; version=0.0.4' },
    })
    expect(await ask({ path: '/api/words' })).toMatchObject({
      text: 'plain words',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
    })
    const file = await send(kernel.port, { path: '/assets/app.js' })
    expect(file).toMatchObject({ status: 200, text: '1', headers: { etag: '"1"' } })
    const again = await send(kernel.port, { path: '/assets/app.js', headers: { 'if-none-match': '"1"' } })
    expect(again).toMatchObject({ status: 304, text: '' })
    expect(await send(kernel.port, { path: '/assets/../api/things' })).toMatchObject({ status: 401 })
  })
})

describe('authentication', () => {
  const protectedPaths = [
    '/api/things',
    '/api/things/catalog',
    '/API/health',
    '/api/health/',
    '//api/health',
    '/api/health/../things',
    '/api/health%2f..%2fthings',
    '/api/%68ealth/x',
    '/api/nothing',
    '/api/things/%E0%A4%A',
    '/api/health;x',
  ]
  test.each(protectedPaths)('without a key %s is 401', async (path) => {
    const { status, text, headers } = await send(kernel.port, { path })
    expect(status).toBe(401)
    expect(JSON.parse(text)).toEqual({ error: 'unauthorized', message: 'Valid API key required' })
    expect(headers['www-authenticate']).toContain('Bearer')
  })

  test.each([
    ['x-api-key', { 'x-api-key': testKey }, 200],
    ['Bearer', { authorization: `Bearer ${testKey}` }, 200],
    ['bearer in lower case', { authorization: `bearer ${testKey}` }, 200],
    ['x-api-key wins over Bearer', { 'x-api-key': 'wrong', authorization: `Bearer ${testKey}` }, 401],
    ['an empty key', { 'x-api-key': '' }, 401],
    ['a truncated key', { 'x-api-key': testKey.slice(0, -1) }, 401],
    ['an extended key', { 'x-api-key': `${testKey}0` }, 401],
    ['a cookie', { cookie: `x-api-key=${testKey}` }, 401],
    ['Basic', { authorization: `Basic ${testKey}` }, 401],
    ['a rewritten URL', { 'x-original-url': '/api/health', 'x-rewrite-url': '/api/health' }, 401],
  ])('%s', async (_, headers, status) => {
    expect(await send(kernel.port, { path: '/api/things', headers })).toMatchObject({ status })
  })

  test('never from the query', async () => {
    expect(await send(kernel.port, { path: `/api/things?api_key=${testKey}&x-api-key=${testKey}` })).toMatchObject({
      status: 401,
    })
  })

  test('method override headers are ignored', async () => {
    const headers = { 'x-http-method-override': 'DELETE' }
    expect(await ask({ path: '/api/things/1', headers })).toMatchObject({ status: 200 })
  })

  test('a stranger with a bad body is refused before it is read', async () => {
    const body = '{"broken'
    const headers = { 'content-type': 'text/plain' }
    expect(await send(kernel.port, { method: 'POST', path: '/api/things', headers, body })).toMatchObject({
      status: 401,
    })
    const large = 'x'.repeat(3 * 1024 * 1024)
    expect(await send(kernel.port, { method: 'POST', path: '/api/things', headers: {}, body: large })).toMatchObject({
      status: 401,
    })
    expect(calls).toBe(0)
  })

  test('public is one method on one path', async () => {
    expect(await send(kernel.port, { path: '/api/health' })).toMatchObject({ status: 200, text: '{"status":"ok"}' })
    expect(await send(kernel.port, { method: 'POST', path: '/api/health' })).toMatchObject({ status: 401 })
    expect(await send(kernel.port, { path: '/api/webhooks/test' })).toMatchObject({ status: 401 })
  })
})

describe('bodies', () => {
  const deep = (levels: number) => `{"name":"n","extra":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}}`
  const big = JSON.stringify({ name: 'x'.repeat(1024 * 1024) })
  const create = (body: string | Buffer, headers: Record<string, string> = {}) =>
    send(kernel.port, { method: 'POST', path: '/api/things', headers: { ...json, ...headers }, body })

  test.each([
    ['malformed JSON', '{"name":', {}, 400, /^body: is not valid JSON$/],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, 400, /UTF-8/],
    ['no body', '', {}, 400, /^body: is required$/],
    ['a missing field', '{}', {}, 400, /^name: is required$/],
    ['a wrong type', '{"name":"n","grade":"best"}', {}, 400, /^grade: must be a number$/],
    ['another wrong type', '[]', {}, 400, /^body: must be an object$/],
    ['nested too deep', deep(63), {}, 400, /nested deeper than 64/],
    [
      'text/plain',
      '{"name":"n"}',
      { 'content-type': 'text/plain' },
      415,
      /^unsupported content type: expected application\/json$/,
    ],
    ['a form', 'name=n', { 'content-type': 'application/x-www-form-urlencoded' }, 415, /unsupported content type/],
    ['a look-alike type', '{"name":"n"}', { 'content-type': 'application/jsonx' }, 415, /unsupported content type/],
    [
      'another charset',
      '{"name":"n"}',
      { 'content-type': 'application/json; charset=utf-16' },
      415,
      /unsupported content type/,
    ],
    ['an unknown encoding', '{"name":"n"}', { 'content-encoding': 'lzw' }, 415, /unsupported content encoding: lzw/],
    ['a broken encoding', '{"name":"n"}', { 'content-encoding': 'gzip' }, 400, /can not be decoded/],
    ['too large', big, {}, 413, /larger than 1048576 bytes/],
    ['too large, chunked', big, { 'transfer-encoding': 'chunked' }, 413, /larger than/],
    ['too large, once decompressed', gzipSync(big), { 'content-encoding': 'gzip' }, 413, /larger than/],
  ])('%s is refused without a side effect', async (_, body, headers, status, error) => {
    const answer = await create(body, headers)
    expect(answer.status).toBe(status)
    expect(JSON.parse(answer.text).error).toMatch(error)
    expect(calls).toBe(0)
  })

  test.each([
    ['plain', '{"name":"n"}', {}],
    ['with a charset', '{"name":"n"}', { 'content-type': 'application/json; charset="UTF-8"' }],
    ['a vendor type', '{"name":"n"}', { 'content-type': 'application/vnd.x+json' }],
    ['compressed', gzipSync('{"name":"n"}'), { 'content-encoding': 'gzip' }],
    ['unknown fields', '{"name":"n","other":1}', {}],
    ['deep, but not too deep', deep(62), {}],
    ['brackets and quotes inside a string', JSON.stringify({ name: `n${'[{\\"'.repeat(200)}` }), {}],
  ])('%s is accepted', async (_, body, headers) => {
    expect(await create(body, headers)).toMatchObject({ status: 201 })
    expect(calls).toBe(1)
  })

  test.each([
    '{"name":"n","extra":{"__proto__":{"x":1},"constructor":1,"prototype":2,"kept":3}}',
    '{"name":"n","extra":{"\\u005f_proto__":{"x":1},"kept":3}}',
  ])('keys that reach prototypes are dropped: %s', async (body) => {
    expect(JSON.parse((await create(body)).text).keys).toEqual(['kept'])
  })

  test('413 ends the connection', async () => {
    const head = `POST /api/things HTTP/1.1\r\nHost: 127.0.0.1:${kernel.port}\r\nx-api-key: ${testKey}\r\ncontent-type: application/json\r\n`
    const declared = await sendRaw(kernel.port, `${head}content-length: 99999999\r\n\r\n{`)
    expect(declared).toMatch(/^HTTP\/1\.1 413 /)
    expect(declared.toLowerCase()).toContain('connection: close')
    const chunk = 'x'.repeat(0x10000)
    const chunked = await sendRaw(
      kernel.port,
      `${head}transfer-encoding: chunked\r\n\r\n${`10000\r\n${chunk}\r\n`.repeat(17)}`,
    )
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /)
  })

  test.each([
    ['nothing', undefined, {}],
    ['an empty object of JSON', '{}', { 'content-type': 'application/json' }],
    ['an empty object of no type', '{ }', {}],
    ['an empty text', '', { 'content-type': 'text/plain' }],
    ['fields that mean nothing', '{"a":1}', { 'content-type': 'application/json' }],
  ])('a route without a body takes %s', async (_, body, headers) => {
    const answer = await ask({
      method: 'POST',
      path: '/api/things/reset',
      headers,
      ...(body !== undefined && { body }),
    })
    expect(answer).toMatchObject({ status: 200, text: '{"reset":true}' })
  })

  test('a route without a body still refuses what is no JSON', async () => {
    const path = '/api/things/reset'
    expect(await ask({ method: 'POST', path, body: 'a=1', headers: { 'content-type': 'text/plain' } })).toMatchObject({
      status: 415,
    })
    expect(await ask({ method: 'POST', path, body: '{"a', headers: json })).toMatchObject({ status: 400 })
  })

  test('an optional body may be left out', async () => {
    expect(await ask({ method: 'POST', path: '/api/things/1/approve' })).toMatchObject({
      status: 200,
      text: '{"note":null}',
    })
    expect(
      await ask({ method: 'POST', path: '/api/things/1/approve', headers: { 'content-type': 'text/plain' } }),
    ).toMatchObject({
      status: 200,
    })
    expect(await postJson('/api/things/1/approve', { note: 'ok' })).toMatchObject({ text: '{"note":"ok"}' })
  })

  test('a raw body arrives as its bytes, within its own limit', async () => {
    const path = '/api/webhooks/test'
    const bytes = Buffer.from([0, 255, 1])
    expect(await send(kernel.port, { method: 'POST', path, body: bytes })).toMatchObject({
      text: '{"ok":true,"bytes":"00ff01"}',
    })
    const over = await send(kernel.port, { method: 'POST', path, body: Buffer.alloc(101) })
    expect(over.status).toBe(413)
    expect(JSON.parse(over.text)).toMatchObject({ ok: false, error: expect.stringContaining('100 bytes') })
  })

  test('a bad query names its field, and a doubled one is not a crash', async () => {
    expect(JSON.parse((await ask({ path: '/api/things?limit=x' })).text).error).toMatch(/^limit: /)
    expect(await ask({ path: '/api/things?limit=1&limit=2' })).toMatchObject({ status: 400 })
    expect(await ask({ path: '/api/things?__proto__[x]=1&constructor=2' })).toMatchObject({ status: 200 })
  })
})

describe('errors', () => {
  test('standard: extra keys beside the error', async () => {
    const answer = await postJson('/api/fail', { kind: 'conflict', message: 'busy' })
    expect(answer.status).toBe(409)
    expect(JSON.parse(answer.text)).toEqual({ error: 'busy', holder: 'me' })
  })

  test('Retry-After is whole seconds, rounded up', async () => {
    const answer = await postJson('/api/fail', { kind: 'limited', message: 'slow down' })
    expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
  })

  test('what is internal stays inside and is logged with its cause', async () => {
    for (const kind of ['plain', 'internal']) {
      const answer = await postJson('/api/fail', { kind, message: 'SELECT secret at /home/x' })
      expect(answer).toMatchObject({ status: 500, text: '{"error":"internal server error"}' })
    }
    expect(logged.filter((line) => line.includes('SELECT secret')).length).toBeGreaterThanOrEqual(2)
  })

  test('other 5xx texts lose paths, SQL and everything after the first line', async () => {
    const said = async (message: string) =>
      JSON.parse((await postJson('/api/fail', { kind: 'upstream', message })).text).error
    expect(await said('gateway said no at /srv/app.ts:3')).toBe('gateway said no [details redacted]')
    expect(await said('SQLITE_BUSY: locked')).toBe('[details redacted]')
    expect(await said('first\nsecond')).toBe('first')
    expect(await said('y'.repeat(300))).toBe(`${'y'.repeat(200)}...`)
  })

  test('issues are listed, ten at most', async () => {
    const { text } = await postJson('/api/things', { name: 1, grade: 'x' })
    expect(JSON.parse(text).issues).toEqual([
      { path: 'name', message: 'must be a string' },
      { path: 'grade', message: 'must be a number' },
    ])
  })

  test('a handler that answers twice does not end the process', async () => {
    expect(await ask({ path: '/api/twice' })).toMatchObject({ status: 200, text: 'once' })
    expect(await ask({ path: '/api/health' })).toMatchObject({ status: 200 })
  })

  test('OpenAI clients get their envelope everywhere below /v1', async () => {
    const error = async (request: PlainRequest) => JSON.parse((await send(kernel.port, request)).text).error
    const chat = { method: 'POST', path: '/v1/chat/completions', headers: json }
    expect(await error({ path: '/v1/models' })).toEqual({
      message: 'Valid API key required',
      type: 'invalid_request_error',
      param: null,
      code: 'invalid_api_key',
    })
    expect(await error({ path: '/v1/nothing', headers: json })).toMatchObject({ code: 'unknown_url' })
    expect(await error({ path: '/v1/chat/completions', headers: json })).toMatchObject({
      message: 'method not allowed',
    })
    expect(await error({ ...chat, body: '{}' })).toMatchObject({ param: 'model', type: 'invalid_request_error' })
    expect(await error({ ...chat, body: '{"model":"none"}' })).toMatchObject({ code: 'model_not_found' })
  })

  test('Anthropic clients get theirs below /anthropic', async () => {
    const stranger = await send(kernel.port, { path: '/anthropic/v1/models' })
    expect(JSON.parse(stranger.text)).toEqual({
      type: 'error',
      error: { type: 'authentication_error', message: 'Valid API key required' },
    })
    const down = await ask({ path: '/anthropic/v1/models' })
    expect(down).toMatchObject({ status: 503, headers: { 'retry-after': '2' } })
    expect(JSON.parse(down.text).error).toEqual({ type: 'overloaded_error', message: 'inference is starting' })
    expect(JSON.parse((await ask({ path: '/anthropic/nothing' })).text).error.type).toBe('not_found_error')
  })
})

describe('headers, hosts and origins', () => {
  const host = (name: string) =>
    send(kernel.port, { path: '/api/things', headers: { 'x-api-key': testKey, host: name } })

  test.each([
    ['an answer', { path: '/api/health' }],
    ['401', { path: '/api/things' }],
    ['404', { path: '/nothing', headers: { 'x-api-key': testKey } }],
    ['421', { path: '/', headers: { host: 'evil.example' } }],
  ])('security headers stand on %s', async (_, request) => {
    const { headers } = await send(kernel.port, request)
    expect(headers['content-security-policy']).toContain("default-src 'self'")
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers['content-security-policy']).not.toMatch(/unsafe-(inline|eval)/)
    expect(headers['x-frame-options']).toBe('DENY')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers['x-powered-by']).toBeUndefined()
    expect(headers['access-control-allow-origin']).toBeUndefined()
  })

  test('only its own host names are served, whatever the key', async () => {
    const { port } = kernel
    for (const name of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`]) {
      expect(await host(name)).toMatchObject({ status: 200 })
    }
    for (const name of [
      'evil.example',
      `evil.example:${port}`,
      `localhost.evil.example:${port}`,
      'localhost:1',
      `127.0.0.1.:${port}`,
    ]) {
      expect((await host(name)).status, name).toBe(421)
    }
    kernel.settings.hosts = ['keel.example', 'fd00::5']
    for (const name of ['keel.example', 'keel.example:443', 'Keel.Example', '[fd00::5]:9']) {
      expect((await host(name)).status, name).toBe(200)
    }
    expect(await host('sub.keel.example')).toMatchObject({ status: 421 })
  })

  test.each([
    ['a foreign page', { origin: 'https://evil.example' }, 403],
    ['a page without an origin', { origin: 'null' }, 403],
    ['a cross-site request', { 'sec-fetch-site': 'cross-site' }, 403],
    ['another port of this machine', { origin: 'http://localhost:1' }, 403],
    ['no page at all', {}, 201],
    ['its own page', { 'sec-fetch-site': 'same-origin' }, 201],
  ])('a write from %s', async (_, headers, status) => {
    const answer = await send(kernel.port, {
      method: 'POST',
      path: '/api/things',
      headers: { ...json, ...headers },
      body: '{"name":"n"}',
    })
    expect(answer.status).toBe(status)
    expect(calls).toBe(status === 201 ? 1 : 0)
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })

  test('its own origins are one, whatever they are called', async () => {
    for (const name of ['localhost', '127.0.0.1', '[::1]']) {
      const headers = { ...json, origin: `http://${name}:${kernel.port}` }
      expect(
        await send(kernel.port, { method: 'POST', path: '/api/things', headers, body: '{"name":"n"}' }),
      ).toMatchObject({ status: 201 })
    }
  })

  test('pre-flight requests are answered before the key is asked for, to listed origins alone', async () => {
    kernel.settings.allowedOrigins = ['https://app.example']
    const preflight = (origin: string) =>
      send(kernel.port, {
        method: 'OPTIONS',
        path: '/api/things',
        headers: { origin, 'access-control-request-method': 'POST' },
      })
    const allowed = await preflight('https://app.example')
    expect(allowed).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': 'https://app.example',
        'access-control-allow-methods': 'GET, POST, PUT, DELETE',
        'access-control-allow-headers': 'content-type, authorization, x-api-key',
        'access-control-max-age': '3600',
      },
    })
    expect(allowed.headers['access-control-allow-credentials']).toBeUndefined()
    const foreign = await preflight('https://evil.example')
    expect(foreign.status).toBe(403)
    expect(foreign.headers['access-control-allow-origin']).toBeUndefined()
    const read = await ask({ path: '/api/things', headers: { origin: 'https://app.example' } })
    expect(read).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': 'https://app.example', vary: 'Origin' },
    })
    const foreignRead = await ask({ path: '/api/things', headers: { origin: 'https://evil.example' } })
    expect(foreignRead.headers['access-control-allow-origin']).toBeUndefined()
  })

  test('OPTIONS that is no pre-flight needs the key', async () => {
    expect(await send(kernel.port, { method: 'OPTIONS', path: '/api/things' })).toMatchObject({ status: 401 })
  })
})

describe('on the wire', () => {
  const head = () => `GET /api/health HTTP/1.1\r\nHost: 127.0.0.1:${kernel.port}\r\n`
  test.each([
    ['a header over 16 KiB', () => `${head()}x-long: ${'x'.repeat(17_000)}\r\n\r\n`, 431],
    ['two lengths of a body', () => `${head()}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['two hosts', () => `${head()}Host: evil.example\r\nConnection: close\r\n\r\n`, 400],
    ['the same host twice', () => `${head()}host: 127.0.0.1:${kernel.port}\r\nConnection: close\r\n\r\n`, 400],
    ['no host', () => 'GET /api/health HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    [
      'an absolute target',
      () =>
        `GET http://evil.example/api/health HTTP/1.1\r\nHost: 127.0.0.1:${kernel.port}\r\nConnection: close\r\n\r\n`,
      400,
    ],
    ['an empty host', () => 'GET /api/health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n', 421],
    ['no HTTP', () => 'hello\r\n\r\n', 400],
  ])('%s', async (_, bytes, status) => {
    const answer = await sendRaw(kernel.port, bytes())
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    if (status === 431) expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toHaveProperty('error')
  })

  test('an upgrade to something else is answered as it stands', async () => {
    const answer = await sendRaw(
      kernel.port,
      `${head()}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('access is logged at debug level, without the query', async () => {
    await ask({ path: '/api/things?tag=sk-secret' })
    await expect.poll(() => logged.find((line) => line.includes('"msg":"request"'))).toBeDefined()
    expect(logged.join('')).not.toContain('sk-secret')
  })
})
