import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest'
import type { AgentAnswer } from '#sdk/contracts/agent.ts'
import type { LogEntry } from '#sdk/contracts/logs.ts'
import type { Session } from '#sdk/contracts/sessions.ts'
import { createClient, type HttpClient } from '#sdk/http-client.ts'

const session: Session = {
  id: 's1',
  agent_id: 'keel',
  scope_key: 'agent',
  status: 'active',
  model: null,
  nickname: null,
  created_at: '2026-01-01T00:00:00.000Z',
  updated_at: '2026-01-01T00:00:00.000Z',
  metadata: null,
  turn_count: 0,
  message_count: 0,
}

const list = { sessions: [session], total: 1, limit: 2, offset: 0 }
const logLine = { timestamp: '2026-01-01T00:00:00.000Z', level: 'info', message: 'up' }

let close: (() => Promise<unknown>) | undefined

afterEach(async () => {
  await close?.()
  close = undefined
})

type Serve = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** A client of a server that answers as told. */
async function clientOf(serve: Serve): Promise<HttpClient> {
  const server = createServer((request, response) => void serve(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return createClient({ url: `http://127.0.0.1:${address.port}/`, apiKey: 'key-1' })
}

function json(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

function beginStream(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of values) all.push(value)
  return all
}

describe('requests', () => {
  it('carry method, path, query, key and body as the table says', async () => {
    const seen: unknown[] = []
    const client = await clientOf(async (request, response) => {
      const { method, url, headers } = request
      seen.push([method, url, headers.authorization, headers['content-type'], await text(request)])
      json(response, method === 'GET' ? list : { message_id: 'm1', id: 'm1' })
    })
    const answer = await client.sessions.listSessions({ query: { limit: 2, status: 'active', q: undefined } })
    expect(answer).toEqual(list)
    await client.sessions.appendMessage({ params: { id: 'a/b ü' }, body: { role: 'user', content: 'hi' } })
    expect(seen).toEqual([
      ['GET', '/api/sessions?limit=2&status=active', 'Bearer key-1', undefined, ''],
      [
        'POST',
        '/api/sessions/a%2Fb%20%C3%BC/messages',
        'Bearer key-1',
        'application/json',
        '{"role":"user","content":"hi"}',
      ],
    ])
  })

  it('never leave the path that their route stands for', async () => {
    let requests = 0
    const client = await clientOf((_, response) => {
      requests++
      json(response, session)
    })
    for (const id of ['', '.', '..']) {
      await expect(client.sessions.getSession({ params: { id } })).rejects.toMatchObject({ kind: 'invalid' })
    }
    expect(requests).toBe(0)
    expect((await client.sessions.getSession({ params: { id: '...' } })).id).toBe('s1')
  })

  it('do not follow redirects, which would carry the key away', async () => {
    const client = await clientOf((request, response) => {
      if (request.url === '/api/health') response.writeHead(307, { location: '/elsewhere' }).end()
      else json(response, {})
    })
    await expect(client.health.getHealth()).rejects.toMatchObject({ kind: 'unavailable' })
  })
})

describe('answers', () => {
  it('are parsed: what the contract does not say is refused with the name of the field', async () => {
    const client = await clientOf((_, response) => json(response, { ...session, turn_count: 'three' }))
    await expect(client.sessions.getSession({ params: { id: 's1' } })).rejects.toMatchObject({
      kind: 'upstream_failed',
      message: expect.stringContaining('turn_count'),
    })
  })

  it('are refused when they are not JSON', async () => {
    const client = await clientOf((_, response) => void response.end('<html>'))
    await expect(client.health.getHealth()).rejects.toMatchObject({ kind: 'upstream_failed' })
  })

  it('are the response itself for texts, and nothing for routes without a body', async () => {
    const client = await clientOf((request, response) => {
      if (request.url === '/favicon.ico') response.writeHead(204).end()
      else response.end('keel_up 1\n')
    })
    expect(await (await client.shell.getMetrics()).text()).toBe('keel_up 1\n')
    expect(await client.shell.getFavicon()).toBeUndefined()
  })
})

describe('errors', () => {
  it.each([
    [404, { error: 'session x not found' }, 'not_found', 'session x not found'],
    [400, { ok: false, error: 'device is not pending' }, 'invalid', 'device is not pending'],
    [404, { error: { message: 'no such model', type: 'x', param: null, code: null } }, 'not_found', 'no such model'],
    [529, { type: 'error', error: { type: 'overloaded_error', message: 'busy' } }, 'internal', 'busy'],
    [418, { error: 'teapot' }, 'invalid', 'teapot'],
  ])('of status %i have the kind and the text', async (status, body, kind, message) => {
    const client = await clientOf((_, response) => json(response, body, status))
    await expect(client.health.getHealth()).rejects.toMatchObject({ name: 'RuntimeError', kind, message })
  })

  it('keep the other keys, and when to come back', async () => {
    const client = await clientOf((_, response) =>
      json(response, { error: 'message_blocked', threat_score: 0.9 }, 429, { 'retry-after': '7' }),
    )
    await expect(client.agent.sendMessage({ body: { content: 'x' } })).rejects.toMatchObject({
      kind: 'rate_limited',
      details: { threat_score: 0.9, retry_after_seconds: 7 },
    })
  })

  it('are told from a body that is not JSON by the status', async () => {
    const client = await clientOf((_, response) => void response.writeHead(502).end('bad gateway'))
    await expect(client.health.getHealth()).rejects.toMatchObject({ kind: 'upstream_failed' })
  })

  it('say unavailable when nobody listens, and cancelled when the caller gave up', async () => {
    const client = await clientOf(() => undefined)
    const hangUp = new AbortController()
    const call = client.health.getHealth({ signal: hangUp.signal })
    hangUp.abort()
    await expect(call).rejects.toMatchObject({ kind: 'cancelled' })
    await close?.()
    close = undefined
    await expect(client.health.getHealth()).rejects.toMatchObject({ kind: 'unavailable' })
  })
})

describe('streams', () => {
  it('give typed values up to [DONE], however the bytes are cut', async () => {
    const body = Buffer.from(
      ': keep-alive\n\ndata: {"type":"chunk","delta":"grüße","model":null,"finish_reason":null}\n\n' +
        'data: {"type":"error","error":"upstream provider error"}\n\ndata: [DONE]\n\ndata: nonsense\n\n',
    )
    const client = await clientOf(async (_, response) => {
      beginStream(response)
      for (const byte of body) {
        if (!response.write(Buffer.from([byte]))) await once(response, 'drain')
      }
      response.end()
    })
    expect(await collect(client.agent.streamMessage.stream({ body: { content: 'hi' } }))).toEqual([
      { type: 'chunk', delta: 'grüße', model: null, finish_reason: null },
      { type: 'error', error: 'upstream provider error' },
    ])
  })

  it('are asked for, and errors before the first event have their status', async () => {
    const accepts: unknown[] = []
    const client = await clientOf((request, response) => {
      accepts.push(request.headers.accept)
      json(response, { error: 'invalid since' }, 400)
    })
    await expect(collect(client.logs.listLogs.stream({ query: { follow: true } }))).rejects.toMatchObject({
      kind: 'invalid',
      message: 'invalid since',
    })
    expect(accepts).toEqual(['text/event-stream'])
  })

  it('throw an error that comes as an event', async () => {
    const client = await clientOf((_, response) => void beginStream(response).end('data: {"error":"log gone"}\n\n'))
    await expect(collect(client.logs.listLogs.stream())).rejects.toMatchObject({
      kind: 'upstream_failed',
      message: 'log gone',
    })
  })

  it('throw what is no event of theirs, and an answer that is no stream', async () => {
    const client = await clientOf((request, response) => {
      if (request.url?.includes('follow')) beginStream(response).end('data: {"level":"loud"}\n\n')
      else json(response, { entries: [] })
    })
    await expect(collect(client.logs.listLogs.stream({ query: { follow: true } }))).rejects.toMatchObject({
      kind: 'upstream_failed',
    })
    await expect(collect(client.logs.listLogs.stream())).rejects.toThrow('not a stream')
    expect(await client.logs.listLogs()).toEqual({ entries: [] })
  })

  it('refuse an event without end', async () => {
    const client = await clientOf(async (_, response) => {
      beginStream(response).write('data: ')
      const block = 'x'.repeat(1024 * 1024)
      while (!response.destroyed) {
        if (!response.write(block)) await Promise.race([once(response, 'drain'), once(response, 'close')])
      }
    })
    await expect(collect(client.logs.listLogs.stream())).rejects.toMatchObject({ kind: 'too_large' })
  })

  it('hang up when the reader leaves or gives up', async () => {
    const hungUp: Promise<unknown>[] = []
    const client = await clientOf((_, response) => {
      hungUp.push(once(response, 'close'))
      beginStream(response).write(`data: ${JSON.stringify(logLine)}\n\n`)
    })
    for await (const entry of client.logs.listLogs.stream()) {
      expect(entry).toEqual(logLine)
      break
    }
    await hungUp[0]

    const giveUp = new AbortController()
    const reading = collect(
      (async function* () {
        for await (const entry of client.logs.listLogs.stream({ signal: giveUp.signal })) {
          yield entry
          giveUp.abort()
        }
      })(),
    )
    await expect(reading).rejects.toMatchObject({ kind: 'cancelled' })
    await hungUp[1]
  })

  it('say unavailable when the server dies amid them', async () => {
    const client = await clientOf((_, response) => {
      beginStream(response).write(`data: ${JSON.stringify(logLine)}\n\n`, () => response.destroy())
    })
    await expect(collect(client.logs.listLogs.stream())).rejects.toMatchObject({ kind: 'unavailable' })
  })
})

describe('types', () => {
  it('follow the tables', () => {
    expectTypeOf<HttpClient['agent']['sendMessage']>().returns.resolves.toEqualTypeOf<AgentAnswer>()
    expectTypeOf<HttpClient['logs']['listLogs']['stream']>().returns.toEqualTypeOf<AsyncGenerator<LogEntry>>()
    expectTypeOf<HttpClient['shell']['getMetrics']>().returns.resolves.toEqualTypeOf<Response>()
    expectTypeOf<keyof HttpClient['agent']['streamMessage']>().toEqualTypeOf<'stream'>()
    expectTypeOf<Parameters<HttpClient['sessions']['getSession']>[0]>().toExtend<{ params: { id: string } }>()
    expectTypeOf<Parameters<HttpClient['sessions']['createSession']>>().toExtend<[unknown?]>()
  })
})
