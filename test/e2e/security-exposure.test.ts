import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { api } from '#sdk/api.ts'
import { pathParamNames, type Route } from '#sdk/route.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { send, sendRaw } from '../support/http-kernel.ts'

/*
 * Who can reach a running Keel, and with what: a stranger on the network, a page in the operator's own browser, a key
 * that is no longer one.
 */

const exempt = new Set([
  'GET /',
  'GET /favicon.ico',
  'GET /api/health',
  'GET /.well-known/agent.json',
  'GET /.well-known/agent-card.json',
  'POST /api/a2a/hello',
  'GET /api/webhooks/whatsapp',
  'POST /api/webhooks/whatsapp',
  'POST /api/webhooks/slack',
  'POST /api/webhooks/telegram',
  // Pages of plugins: files of a guest, in a frame that may do nothing.
  'GET /plugins/:name',
  'GET /plugins/:name/web/:file',
  'GET /plugins/:name/web/:folder/:file',
  'GET /plugins/frame.js',
])
const routes: Route[] = Object.values(api).flatMap((table) => Object.values<Route>(table))

let keel: Daemon
let port: number

beforeAll(async () => {
  keel = await startDaemon()
  port = Number(new URL(keel.url).port)
}, 30_000)

afterAll(async () => {
  // Nothing above has ended it.
  expect(Number((await keel.client.health.getHealth()).uptime_seconds)).toBeGreaterThanOrEqual(0)
  process.kill(keel.pid, 0)
  await keel.dispose()
})

const withKey = (headers: Record<string, string> = {}) => ({ 'x-api-key': keel.apiKey, ...headers })
const writeHeaders = () => withKey({ 'content-type': 'application/json' })

/** Runs `keel start` to its end, which must come by itself. */
async function startToTheEnd(env: Record<string, string>) {
  const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const { KEEL_API_KEY: _key, KEEL_HOST: _host, ...inherited } = process.env
  const child = spawn(process.execPath, ['kernel/cli/keel.mjs', 'start'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, KEEL_HOME: home, KEEL_PORT: '0', ...env },
    timeout: 10_000,
  })
  const ended = once(child, 'exit')
  const [stdout, stderr] = await Promise.all([readText(child.stdout), readText(child.stderr)])
  const [code] = await ended
  return { code, said: stdout + stderr }
}

describe('the address', () => {
  test('is of loopback unless told otherwise', () => {
    expect(new URL(keel.url).hostname).toBe('127.0.0.1')
  })

  test.each(['0.0.0.0', '::'])('%s without a key that the operator chose does not start', async (host) => {
    const { code, said } = await startToTheEnd({ KEEL_HOST: host })
    expect(code, said).toBe(1)
    expect(said).toContain('set KEEL_API_KEY or server.api_key')
    expect(said.trim().split('\n')).toHaveLength(1)
    expect(said).not.toMatch(/\n\s+at /)
  })

  test('an operator who opens it chooses the key, and it holds for who comes by that address', async () => {
    const open = await startDaemon({ env: { KEEL_HOST: '0.0.0.0', KEEL_API_KEY: 'a-key-of-the-operator-0123456789' } })
    onTestFinished(() => open.dispose())
    const url = `http://127.0.0.1:${new URL(open.url).port}/api/config`
    expect((await fetch(url)).status).toBe(401)
    expect((await fetch(url, { headers: { 'x-api-key': open.apiKey } })).status).toBe(200)
  })
})

describe('the key', () => {
  test('is asked for by every route but those that look after themselves', async () => {
    const open: string[] = []
    for (const { method, path } of routes) {
      const concrete = pathParamNames(path).reduce((all, name) => all.replace(`:${name}`, 'x'), path)
      const { status, text } = await send(port, { method, path: concrete })
      if (status !== 401) open.push(`${method} ${path}`)
      else expect(text, path).not.toMatch(/\n\s+at |\/kernel\//)
    }
    expect(open.sort()).toEqual([...exempt].sort())
    expect(await sendRaw(port, `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 401 /,
    )
  })

  test.each([
    ['in the query', (key: string) => ({ path: `/api/config?api_key=${key}&x-api-key=${key}&token=${key}` })],
    ['in a cookie', (key: string) => ({ headers: { cookie: `api_key=${key}; x-api-key=${key}` } })],
    ['as Basic', (key: string) => ({ headers: { authorization: `Basic ${btoa(`keel:${key}`)}` } })],
    ['behind a header that rewrites the path', () => ({ headers: { 'x-original-url': '/api/health' } })],
    ['by a claim to be near', () => ({ headers: { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1' } })],
  ])('does not count %s', async (_, request) => {
    expect(await send(port, { path: '/api/config', ...request(keel.apiKey) })).toMatchObject({ status: 401 })
  })

  test.each(['//api/config', '/api/./config', '/api/health/../config', '/api/health%2f..%2fconfig', '/API/CONFIG'])(
    'is asked for at %s',
    async (path) => expect(await send(port, { path })).toMatchObject({ status: 401 }),
  )

  test('is asked for before a body is read', async () => {
    const answer = await sendRaw(
      port,
      `PUT /api/config HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: 900000000\r\n\r\n{"broken`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 401 /)
  })
})

describe('a page in the browser', () => {
  test('that calls itself by another host name is not served, key or not', async () => {
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.nip.io', 'localhost:1'])
      expect(await send(port, { path: '/api/health', headers: withKey({ host }) }), host).toMatchObject({ status: 421 })
  })

  test.each([
    ['of a foreign origin', { origin: 'https://evil.example' }],
    ['of no origin', { origin: 'null' }],
    ['of another port', { origin: 'http://127.0.0.1:1' }],
    ['of another site', { 'sec-fetch-site': 'cross-site' }],
  ])('%s writes nothing', async (_, headers: Record<string, string>) => {
    const body = JSON.stringify({ agent: { name: 'Taken' } })
    const answer = await send(port, {
      method: 'PUT',
      path: '/api/config',
      headers: { ...writeHeaders(), ...headers },
      body,
    })
    expect(answer.status).toBe(403)
    expect((await keel.client.health.getHealth()).agent).toBe('Keel')
  })

  test('of a foreign origin reads nothing: no answer carries permission', async () => {
    for (const request of [{}, { method: 'OPTIONS' }, { path: '/nowhere' }]) {
      const { headers } = await send(port, {
        path: '/api/health',
        ...request,
        headers: withKey({ origin: 'https://evil.example', 'access-control-request-method': 'PUT' }),
      })
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
    }
  })

  test('can run no script from elsewhere, frame nothing and guess no type, whatever the answer', async () => {
    const requests = [
      { path: '/' },
      { path: '/api/health' },
      { path: '/api/config', headers: withKey() },
      { path: '/api/config' },
      { path: '/nowhere', headers: withKey() },
      { path: '/api/config', method: 'PATCH', headers: withKey() },
      { path: '/api/config', method: 'PUT', headers: writeHeaders(), body: '{"broken' },
      { path: '/api/wallet/balance', headers: withKey() },
      { path: '/api/health', headers: { host: 'evil.example' } },
    ]
    const statuses: number[] = []
    for (const request of requests) {
      const { status, headers } = await send(port, request)
      statuses.push(status)
      const policy = String(headers['content-security-policy'])
      expect(policy).toContain("script-src 'self'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toMatch(/unsafe|\*/)
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' })
      expect(headers['x-powered-by']).toBeUndefined()
    }
    expect(new Set(statuses)).toEqual(new Set([200, 401, 404, 405, 400, 501, 421]))
    const broken = await sendRaw(port, 'GET / HTTP/1.1\r\nno header\r\n\r\n')
    expect(broken).toMatch(/^HTTP\/1\.1 400 [\s\S]*frame-ancestors 'none'/)
  })
})

describe('who guesses', () => {
  test('waits after ten wrong keys a minute, while the right key from the same address works', async () => {
    const guarded = await startDaemon()
    onTestFinished(() => guarded.dispose())
    const guess = (n: number) => guarded.fetch('/api/config', { headers: { 'x-api-key': `guess-${n}` } })
    for (let n = 0; n < 10; n++) expect((await guess(n)).status).toBe(401)
    const refused = await guess(10)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await guarded.fetch('/api/config')).status).toBe(200)
  })
})

describe('a key that is replaced', () => {
  test('ends at once, for requests, tickets and open sockets', async () => {
    const old = keel.apiKey
    const ticketOf = async () =>
      (await (await keel.fetch('/api/ws-ticket', { method: 'POST' })).json()) as { ticket: string }
    const { ticket } = await ticketOf()
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers: { 'x-api-key': old } })
    await once(socket, 'message')
    const closed = once(socket, 'close')
    const api_key = 'the-next-key-of-the-operator-0123456789'
    const change = await keel.fetch('/api/config', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ server: { api_key } }),
    })
    expect(change.status, await change.text()).toBe(200)
    expect((await closed)[0]).toBe(1008)
    expect(await send(port, { path: '/api/config', headers: { 'x-api-key': old } })).toMatchObject({ status: 401 })
    const shown = await send(port, { path: '/api/config', headers: { 'x-api-key': api_key } })
    expect(shown.status).toBe(200)
    expect(shown.text).not.toContain(api_key)
    const refused = new WebSocket(`ws://127.0.0.1:${port}/ws?ticket=${ticket}`)
    const [{ message }] = (await once(refused, 'error')) as [Error]
    expect(message).toContain('401')
  })
})
