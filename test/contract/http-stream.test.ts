import { fork, type SendHandle } from 'node:child_process'
import { once } from 'node:events'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createHttpServer, type ListenHandle } from '#kernel/http/server.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { get, post } from '#sdk/route.ts'
import { readToTheEnd } from '../support/broken-answer.ts'
import { type HttpKernel, send, startHttpKernel, testKey } from '../support/http-kernel.ts'

const table = {
  stream: post('/api/stream', {
    summary: 'Stream',
    kind: 'stream',
    body: z.object({ do: z.string() }),
    response: z.object({ done: z.boolean() }),
  }),
  chat: post('/v1/chat', { summary: 'Chat', kind: 'stream', errors: 'openai', response: z.void() }),
  messages: post('/anthropic/v1/messages', {
    summary: 'Messages',
    kind: 'stream',
    errors: 'anthropic',
    response: z.void(),
  }),
  wait: get('/api/wait', { summary: 'Wait', response: z.object({ waited: z.boolean() }) }),
}

interface Gates {
  started: PromiseWithResolvers<void>
  release: PromiseWithResolvers<void>
  aborted: PromiseWithResolvers<unknown>
  settledWrites: number
}

let kernel: HttpKernel
let gates: Gates

beforeEach(async () => {
  gates = {
    started: Promise.withResolvers(),
    release: Promise.withResolvers(),
    aborted: Promise.withResolvers(),
    settledWrites: 0,
  }
  kernel = await startHttpKernel<{ test: typeof table }, Gates>(
    {
      test: {
        table,
        handlers: {
          async stream({ body, reply, signal }, context) {
            if (body.do === 'json') return { done: true }
            const stream = reply.sse()
            if (body.do === 'fail early') throw new RuntimeError('conflict', 'busy')
            if (body.do === 'flood') {
              context.started.resolve()
              while (!stream.closed.aborted) {
                await stream.send('x'.repeat(64 * 1024))
                context.settledWrites += 1
              }
              context.aborted.resolve(signal.aborted)
              return stream.end()
            }
            await stream.send({ n: 1 })
            await stream.event('named', { n: 2 })
            await stream.send('two\nlines')
            stream.comment('note')
            await stream.send('[DONE]')
            stream.end()
            await stream.send('after the end')
            return stream.end()
          },
          async chat({ reply }) {
            await reply.sse().send({ n: 1 })
            throw new RuntimeError('upstream_failed', 'provider went away')
          },
          async messages({ reply }) {
            await reply.sse().send({ n: 1 })
            throw new TypeError('a bug')
          },
          async wait({ signal }, context) {
            context.started.resolve()
            signal.addEventListener('abort', () => context.aborted.resolve(signal.reason))
            await context.release.promise
            return { waited: true }
          },
        },
      },
    },
    gates,
  )
})

afterEach(async () => {
  gates.release.resolve()
  await kernel.close()
})

const json = { 'content-type': 'application/json', 'x-api-key': testKey }
const stream = (what: string) =>
  send(kernel.port, { method: 'POST', path: '/api/stream', headers: json, body: JSON.stringify({ do: what }) })

function open(path: string, method = 'GET', body?: string): ClientRequest {
  const request = httpRequest({ host: '127.0.0.1', port: kernel.port, path, method, headers: json, agent: false })
  request.on('error', () => {})
  request.end(body)
  return request
}

describe('server-sent events', () => {
  test('each event is one block, and nothing follows the end', async () => {
    const { status, headers, text } = await stream('events')
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    expect(text).toBe(
      'data: {"n":1}\n\nevent: named\ndata: {"n":2}\n\ndata: two\ndata: lines\n\n: note\n\ndata: [DONE]\n\n',
    )
  })

  test('the same route may answer with JSON', async () => {
    expect(await stream('json')).toMatchObject({ status: 200, text: '{"done":true}' })
  })

  test('what fails before the first event has its status', async () => {
    const answer = await stream('fail early')
    expect(answer).toMatchObject({ status: 409, text: '{"error":"busy"}' })
    expect(answer.headers['content-type']).toContain('application/json')
    expect(answer.headers['cache-control']).toBeUndefined()
  })

  test('what fails later is the last event, in the style of the API, and there is no [DONE]', async () => {
    const read = async (path: string) => {
      const [response] = (await once(open(path, 'POST'), 'response')) as [IncomingMessage]
      return readToTheEnd(response)
    }
    expect(await read('/v1/chat')).toEqual({
      text: 'data: {"n":1}\n\ndata: {"error":{"message":"provider went away","type":"server_error","param":null,"code":null}}\n\n',
      isWhole: false,
    })
    expect(await read('/anthropic/v1/messages')).toEqual({
      text: 'data: {"n":1}\n\nevent: error\ndata: {"type":"error","error":{"type":"api_error","message":"internal server error"}}\n\n',
      isWhole: false,
    })
  })

  test('a client that does not read holds the sender back, and its leaving ends the stream', async () => {
    const request = open('/api/stream', 'POST', '{"do":"flood"}')
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.on('error', () => {})
    response.pause()
    let before = -1
    await expect
      .poll(
        () => {
          const stopped = before === gates.settledWrites
          before = gates.settledWrites
          return stopped
        },
        { interval: 100, timeout: 10_000 },
      )
      .toBe(true)
    expect(gates.settledWrites * 64 * 1024).toBeLessThan(32 * 1024 * 1024)
    response.resume()
    await expect.poll(() => gates.settledWrites, { timeout: 10_000 }).toBeGreaterThan(before)
    request.destroy()
    expect(await gates.aborted.promise).toBe(true)
  })
})

describe('the server', () => {
  test('a hang-up aborts the signal of the handler', async () => {
    const request = open('/api/wait')
    await gates.started.promise
    request.destroy()
    expect(await gates.aborted.promise).toMatchObject({ kind: 'cancelled' })
  })

  test('closing lets a running request finish, ends its connection and takes no new one', async () => {
    const request = open('/api/wait')
    await gates.started.promise
    const closed = kernel.server.close(5_000)
    await expect(send(kernel.port, { path: '/' })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    gates.release.resolve()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(await readText(response)).toBe('{"waited":true}')
    await closed
  })

  test('closing ends what does not finish in time', async () => {
    const request = open('/api/wait')
    await gates.started.promise
    const hungUp = new Promise((resolve) => request.once('close', resolve))
    await kernel.server.close(50)
    await hungUp
  })

  test('an idle connection does not delay closing', async () => {
    const request = open('/api/nothing')
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    await readText(response)
    const startedAt = performance.now()
    await kernel.server.close(10_000)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })

  test('a successor inherits the listening socket, and no connection is refused', async () => {
    const child = fork('test/support/http-inherit.ts')
    const ended = once(child, 'exit')
    // Node passes such sockets on, and declares it for whole servers alone.
    child.send('take', kernel.server.handle as object as SendHandle)
    const [, spare] = (await once(child, 'message')) as [string, ListenHandle]
    const closed = kernel.server.close(1_000)
    const waiting = send(kernel.port, {})
    child.send('serve')
    expect(await once(child, 'message')).toEqual([kernel.port, undefined])
    expect(await waiting).toMatchObject({ text: 'successor' })
    for (let i = 0; i < 20; i++) expect(await send(kernel.port, {})).toMatchObject({ text: 'successor' })
    await closed
    child.kill('SIGKILL')
    await ended
    // The socket outlives the successor that died, and can be listened on again.
    const heir = createHttpServer({ handle: (_, response) => response.end('heir'), upgrade: () => {} })
    const again = send(kernel.port, {})
    await heir.listen({ handle: spare })
    expect(await again).toMatchObject({ text: 'heir' })
    await heir.close(100)
  })

  test('whoever is served while a server winds down is asked to come back on a new connection', async () => {
    const request = open('/api/wait')
    await gates.started.promise
    let isOver = false
    const over = kernel.server.windDown(10_000).then(() => {
      isOver = true
    })
    expect((await send(kernel.port, { path: '/' })).headers.connection).toBe('close')
    expect(isOver).toBe(false)
    gates.release.resolve()
    await Promise.all([once(request, 'response'), over])
  })

  test('a connection that was accepted last is still served, and an old request is not waited for', async () => {
    const old = open('/api/wait')
    old.on('error', () => {})
    await gates.started.promise
    const socket = connect(kernel.port, '127.0.0.1')
    await once(socket, 'connect')
    // Whoever comes later is accepted later.
    await send(kernel.port, {})
    const stopped = kernel.server.stopAccepting(1)
    socket.write(`GET / HTTP/1.1\r\nhost: 127.0.0.1:${kernel.port}\r\n\r\n`)
    expect(await readText(socket)).toMatch(/connection: close/i)
    await stopped
  })

  test('a taken port is said in one sentence with the exit code', async () => {
    const second = createHttpServer({ handle: () => {}, upgrade: (_, socket) => socket.destroy() })
    const failed = second.listen({ host: '127.0.0.1', port: kernel.port })
    await expect(failed).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining(`127.0.0.1:${kernel.port} is already in use`),
      details: { exit_code: 2 },
    })
  })

  test('a slow sender of heads does not slow the others', async () => {
    const slow = Array.from({ length: 50 }, () => {
      const request = httpRequest({
        host: '127.0.0.1',
        port: kernel.port,
        path: '/api/stream',
        method: 'POST',
        headers: { ...json, 'content-length': '100' },
        agent: false,
      })
      request.on('error', () => {})
      request.write('{')
      return request
    })
    await Promise.all(
      slow.map(async (request) => {
        const [socket] = (await once(request, 'socket')) as [Socket]
        if (socket.connecting) await once(socket, 'connect')
      }),
    )
    const startedAt = performance.now()
    expect(await stream('json')).toMatchObject({ status: 200 })
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    for (const request of slow) request.destroy()
  })
})
