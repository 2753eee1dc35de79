import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { Agent, fetch as plainFetch } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { type GuardedFetchOptions, guardedFetch } from '#sdk/egress/guarded-fetch.ts'
import { pinnedConnector } from '#sdk/egress/pinned-connector.ts'

type Handle = (request: IncomingMessage, response: ServerResponse) => void

interface Site {
  port: number
  seen: IncomingHttpHeaders[]
}

async function site(handle: Handle): Promise<Site> {
  const seen: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers)
    handle(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { port: (server.address() as AddressInfo).port, seen }
}

function get(url: string, more: Partial<GuardedFetchOptions> = {}) {
  return guardedFetch(url, { maxBytes: 1_000, timeoutMs: 10_000, allowedHosts: [], ...more })
}

const loopback: LookupAddress = { address: '127.0.0.1', family: 4 }

function answers(...addresses: LookupAddress[]): GuardedFetchOptions['lookup'] {
  return async () => addresses
}

test('an allowed host is fetched, by the address that was looked up', async () => {
  const { port, seen } = await site((_, response) => response.setHeader('content-type', 'text/plain').end('hello'))
  const url = `http://inside.example:${port}/page?q=1`
  const answer = await get(url, {
    allowedHosts: ['inside.example'],
    lookup: answers(loopback),
    headers: { 'X-One': '1' },
  })
  expect(answer).toEqual({
    status: 200,
    url,
    headers: expect.objectContaining({ 'content-type': expect.any(String) }),
    content_type: 'text/plain',
    body: Buffer.from('hello'),
    truncated: false,
  })
  expect(seen[0]).toMatchObject({ host: `inside.example:${port}`, 'x-one': '1', 'user-agent': 'Keel' })
})

test.each([
  'localhost',
  '127.0.0.1',
  '127.1',
  '0x7f.1',
  '0177.0.0.1',
  '2130706433',
  '0.0.0.0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[64:ff9b::127.0.0.1]',
  '[2002:7f00:1::]',
  '169.254.169.254',
  '[fd00:ec2::254]',
  'localhost.',
  '127.0.0.1.',
  'example.com.',
  '①②⑦.⓪.⓪.①',
])('http://%s is refused, and nothing is sent', async (host) => {
  const { port, seen } = await site((_, response) => response.end('secret'))
  await expect(get(`http://${host}:${port}/`)).rejects.toMatchObject({ kind: 'forbidden' })
  expect(seen).toEqual([])
})

test.each([
  'ftp://example.com/',
  'file:///etc/hosts',
  'data:text/plain,x',
  'gopher://127.0.0.1/',
  'http://user:pass@example.com/',
  'http://user@example.com/',
  'no url',
  'http://',
  '//example.com',
])('%s is no address to fetch', async (url) => {
  await expect(get(url)).rejects.toMatchObject({ kind: 'invalid' })
})

test('one private address among public ones refuses the host', async () => {
  const lookup = answers({ address: '93.184.216.34', family: 4 }, loopback)
  await expect(get('http://mixed.example/', { lookup })).rejects.toMatchObject({ kind: 'forbidden' })
  await expect(get('http://empty.example/', { lookup: answers() })).rejects.toMatchObject({ kind: 'upstream_failed' })
})

test('a name that changes its answer is asked once, and the checked address is the one connected to', async () => {
  const { port, seen } = await site((_, response) => response.end('checked'))
  let asked = 0
  const lookup = async () => [asked++ === 0 ? loopback : { address: '::1', family: 6 }]
  const { body } = await get(`http://rebind.example:${port}/`, { lookup, allowedHosts: ['rebind.example'] })
  expect(body.toString()).toBe('checked')
  expect(asked).toBe(1)
  expect(seen).toHaveLength(1)
})

test('a connection that ends at another address than the checked one carries no request', async () => {
  const { port, seen } = await site((_, response) => response.end('secret'))
  const through = async (address: LookupAddress) => {
    const dispatcher = new Agent({ connect: pinnedConnector([address]) })
    onTestFinished(() => dispatcher.destroy())
    // A host that is an address is connected to without being looked up.
    return await (await plainFetch(`http://127.0.0.1:${port}/`, { dispatcher })).text()
  }
  await expect(through({ address: '93.184.216.34', family: 4 })).rejects.toMatchObject({ cause: { kind: 'forbidden' } })
  expect(seen).toEqual([])
  expect(await through(loopback)).toBe('secret')
})

test('the name a redirect leads to is looked up and refused by itself', async () => {
  const { port, seen } = await site((_, response) => {
    response.writeHead(302, { location: `http://turning.example:${port}/` }).end()
  })
  const lookup = async () => [loopback]
  await expect(get(`http://turning.example:${port}/`, { lookup, allowedHosts: [] })).rejects.toMatchObject({
    kind: 'forbidden',
  })
  expect(seen).toEqual([])
  const call = get(`http://first.example:${port}/`, { lookup, allowedHosts: ['first.example'] })
  await expect(call).rejects.toMatchObject({ kind: 'forbidden' })
  expect(seen).toHaveLength(1)
})

test('a redirect is checked again: from an allowed host to a private address, and to its name answering anew', async () => {
  const inner = await site((_, response) => response.end('secret'))
  for (const target of [
    `http://127.0.0.1:${inner.port}/`,
    `http://other.example:${inner.port}/`,
    `//[::1]:${inner.port}/`,
  ]) {
    const outer = await site((_, response) => response.writeHead(302, { location: target }).end())
    const allowedHosts = [`inside.example:${outer.port}`]
    const call = get(`http://inside.example:${outer.port}/`, { allowedHosts, lookup: answers(loopback) })
    await expect(call, target).rejects.toMatchObject({ kind: 'forbidden' })
  }
  const filed = await site((_, response) => response.writeHead(301, { location: 'file:///etc/hosts' }).end())
  await expect(get(`http://localhost:${filed.port}/`, { allowedHosts: ['localhost'] })).rejects.toMatchObject({
    kind: 'invalid',
  })
  expect(inner.seen).toEqual([])
})

test('redirects are followed five times, and not in circles', async () => {
  const { port, seen } = await site((request, response) => {
    const n = Number(request.url?.slice(1))
    if (n === 0) response.end('there')
    else response.writeHead(307, { location: `/${n - 1}` }).end()
  })
  const allowedHosts = ['localhost']
  const answer = await get(`http://localhost:${port}/5`, { allowedHosts })
  expect(answer).toMatchObject({ status: 200, url: `http://localhost:${port}/0`, body: Buffer.from('there') })
  seen.length = 0
  await expect(get(`http://localhost:${port}/100`, { allowedHosts })).rejects.toMatchObject({ kind: 'upstream_failed' })
  expect(seen).toHaveLength(6)
})

test('secret headers stay with their origin', async () => {
  const headers = { Authorization: 'Bearer s', Cookie: 'a=b', 'X-Api-Key': 's', Accept: 'text/html' }
  const last = await site((_, response) => response.end('ok'))
  const first = await site((request, response) => {
    const location = request.url === '/' ? '/same' : `http://localhost:${last.port}/`
    response.writeHead(302, { location }).end()
  })
  await get(`http://localhost:${first.port}/`, { allowedHosts: ['localhost'], headers })
  expect(first.seen).toHaveLength(2)
  expect(first.seen[1]).toMatchObject({ authorization: 'Bearer s', cookie: 'a=b', 'x-api-key': 's' })
  expect(last.seen[0]).toMatchObject({ accept: 'text/html' })
  for (const name of ['authorization', 'cookie', 'x-api-key']) expect(last.seen[0]).not.toHaveProperty(name)
})

test('the body is cut at its cap, also an endless one and one that grows when decompressed', async () => {
  const endless = await site((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  })
  const bomb = await site((_, response) => {
    response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(50_000_000)))
  })
  const exact = await site((_, response) => response.end('x'.repeat(1_000)))
  for (const { port } of [endless, bomb]) {
    const { body, truncated } = await get(`http://localhost:${port}/`, { allowedHosts: ['localhost'] })
    expect({ length: body.length, truncated }).toEqual({ length: 1_000, truncated: true })
  }
  const { body, truncated } = await get(`http://localhost:${exact.port}/`, { allowedHosts: ['localhost'] })
  expect({ length: body.length, truncated }).toEqual({ length: 1_000, truncated: false })
})

test('the time cap holds before the answer, during the body and while a name is looked up', async () => {
  const silent = await site(() => {})
  const stalled = await site((_, response) => response.write('a'))
  const allowedHosts = ['localhost', 'slow.example']
  const forever = () => new Promise<never>(() => {})
  for (const [url, lookup] of [
    [`http://localhost:${silent.port}/`],
    [`http://localhost:${stalled.port}/`],
    ['http://slow.example/', forever],
  ] as const) {
    const call = get(url, { allowedHosts, timeoutMs: 100, ...(lookup && { lookup }) })
    await expect(call, url).rejects.toMatchObject({ kind: 'timeout' })
  }
})

test('the caller can cancel, and what can not be reached says why', async () => {
  const caller = new AbortController()
  const silent = await site(() => caller.abort())
  const allowedHosts = ['localhost']
  await expect(get(`http://localhost:${silent.port}/`, { allowedHosts, signal: caller.signal })).rejects.toMatchObject({
    kind: 'cancelled',
  })
  await expect(get('http://localhost:1/', { allowedHosts })).rejects.toMatchObject({ kind: 'upstream_failed' })
  const lookup = () => Promise.reject(new Error('ENOTFOUND'))
  await expect(get('http://nowhere.example/', { lookup })).rejects.toMatchObject({
    kind: 'upstream_failed',
    message: "The host 'nowhere.example' could not be found",
  })
})
