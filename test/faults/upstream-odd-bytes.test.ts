import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  eventually,
  providerAt,
  type RunningInference,
  requestWith,
  settingsWith,
  startInference,
} from '../support/inference-service.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { anthropicProtocol, openaiProtocol } from '../support/upstream-protocols.ts'
import { resolveReply } from '../support/upstream-reply.ts'

const text = 'Grüße aus 東京 🚀, said in pieces.'
const protocols = { openai: openaiProtocol, anthropic: anthropicProtocol }
type Format = keyof typeof protocols

/** For what ends in a time-out; all else has time enough on a busy machine. */
const hasty = { per_provider_timeout_seconds: 0.3, max_total_inference_seconds: 1 }
const patient = { per_provider_timeout_seconds: 10, max_total_inference_seconds: 30 }
const mebibyte = 1024 * 1024

let primary: Upstream
let spare: Upstream
let service: RunningInference
let clock = 0

beforeEach(async () => {
  clock = Date.now()
  primary = await startUpstream({ text })
  spare = await startUpstream({ text: 'From the spare.' })
})
afterEach(async () => {
  await service.close()
  await Promise.all([primary.close(), spare.close()])
})

async function start(format: Format, routing: typeof hasty) {
  const providers = [providerAt('primary', primary.url, { format }), providerAt('spare', spare.url)]
  service = await startInference(
    { settings: settingsWith(providers, { routing }) },
    { random: () => 0, now: () => clock },
  )
}

const ask = (stream: boolean) => service.inference.complete(requestWith({ stream }))
const breaker = async () => (await service.inference.status({})).breakers.primary

/** The events of a good answer. */
function eventsOf(format: Format): string[] {
  const reply = resolveReply({ text })
  const { opening, piece, closing } = protocols[format]
  return [...opening(reply, 'm'), ...reply.pieces.map((part) => piece(part, 'm', reply)), ...closing(reply, 'm', true)]
}

const wholeOf = (format: Format) => JSON.stringify(protocols[format].whole(resolveReply({ text }), 'm'))

const eventHead = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n'
const jsonHead = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n'

const sends = (head: string, body: string | Buffer) => (connection: Socket) => {
  connection.write(head)
  connection.end(body)
}

/** Writes the same again and again until the other side is gone. */
async function floodWith(connection: Socket, bytes: string | Buffer, everyMs = 0): Promise<void> {
  connection.on('error', () => {})
  while (!connection.destroyed) {
    if (!connection.write(bytes))
      await Promise.race([once(connection, 'drain'), once(connection, 'close')]).catch(() => {})
    await delay(everyMs)
  }
}

type Raw = (connection: Socket, format: Format) => void | Promise<void>

const harmless: Record<string, Raw> = {
  'lines that end in CRLF': (connection, format) =>
    sends(eventHead, eventsOf(format).join('').replaceAll('\n', '\r\n'))(connection),
  'lines that end in CR': (connection, format) =>
    sends(eventHead, eventsOf(format).join('').replaceAll('\n', '\r'))(connection),
  'comments between all events': (connection, format) =>
    sends(eventHead, `: OK\n\n${eventsOf(format).join(': keep-alive\n\n:\n')}`)(connection),
  'fields that nobody asked for': (connection, format) =>
    sends(
      eventHead,
      eventsOf(format)
        .map((event) => `id: 7\nretry: 1000\nx-more: y\n${event}`)
        .join(''),
    )(connection),
  'no space after the colon': (connection, format) =>
    sends(
      eventHead,
      eventsOf(format)
        .join('')
        .replaceAll(/^(data|event): /gm, '$1:'),
    )(connection),
  'data over several lines': (connection, format) =>
    sends(
      eventHead,
      eventsOf(format)
        .join('')
        .replaceAll(/^data: \{(.*)\}$/gm, 'data: {\ndata: $1\ndata: }'),
    )(connection),
  'no empty line after the last event': (connection, format) =>
    sends(eventHead, eventsOf(format).join('').trimEnd())(connection),
  'a mark of byte order': (connection, format) => sends(eventHead, `\ufeff\n${eventsOf(format).join('')}`)(connection),
  'a chunk for each byte': async (connection, format) => {
    connection.setNoDelay(true)
    connection.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n')
    for (const byte of Buffer.from(eventsOf(format).join(''))) {
      connection.write(Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]))
    }
    connection.write('0\r\n\r\n')
  },
  'keep-alive lines through a silence longer than the limit': async (connection, format) => {
    const [first = '', ...rest] = eventsOf(format)
    connection.write(eventHead + first)
    for (let waited = 0; waited < hasty.per_provider_timeout_seconds * 1_500; waited += 100) {
      await delay(100)
      connection.write(': still thinking\n\n')
    }
    connection.end(rest.join(''))
  },
  'an end of the connection right after the finish reason': (connection, format) => {
    const said = eventsOf(format)
      .slice(0, format === 'openai' ? -2 : -1)
      .join('')
    const chunk = `${Buffer.byteLength(said).toString(16)}\r\n${said}\r\n`
    sends(eventHead.replace('connection: close', 'transfer-encoding: chunked'), chunk)(connection)
  },
  'a whole answer where a stream was asked for': (connection, format) => sends(jsonHead, wholeOf(format))(connection),
}

interface Harm {
  raw: Raw
  category: string
  /** Calls before the next model is asked. */
  calls: number
  counted: number
  /** Both when absent. */
  streams?: boolean
  /** The most that the upstream could send before the connection was ended, in bytes. */
  maxBytes?: number
}

const invalid = { category: 'invalid_answer', calls: 1, counted: 1 }
const reset = { category: 'reset', calls: 3, counted: 3 }
const timeout = { category: 'timeout', calls: 1, counted: 1 }
const tooLarge = { category: 'too_large', calls: 1, counted: 0 }
const line = `data: ${'x'.repeat(64 * 1024)}\n`

const limited = 'HTTP/1.1 429 Too Many Requests\r\nretry-after: 9\r\ncontent-type: application/json\r\n'
const rateLimit = { category: 'rate_limit', calls: 1, counted: 0 }

const harmful: Record<string, Harm> = {
  'refuses with a body that breaks off': {
    raw: sends(`${limited}content-length: 1000\r\n\r\n`, '{"error": {"mess'),
    ...rateLimit,
  },
  'refuses with a body that never comes': {
    raw: (connection) => void connection.write(`${limited}content-length: 1000\r\n\r\n`),
    ...rateLimit,
    streams: false,
  },
  'refuses with a body without end': {
    raw: async (connection) => {
      connection.write(`${limited}connection: close\r\n\r\n`)
      await floodWith(connection, 'x'.repeat(64 * 1024))
    },
    ...rateLimit,
    maxBytes: 16 * mebibyte,
  },
  'speaks no HTTP': { raw: sends('SSH-2.0-OpenSSH_9.7\r\n', ''), ...invalid },
  'ends before it has said anything': { raw: (connection) => void connection.end(), ...reset },
  'ends inside its header': { raw: sends('HTTP/1.1 200 OK\r\ncontent-ty', ''), ...reset },
  'sends a header without end': {
    raw: async (connection) => {
      connection.write('HTTP/1.1 200 OK\r\n')
      await floodWith(connection, `x-more: ${'y'.repeat(1_000)}\r\n`.repeat(32))
    },
    ...invalid,
    maxBytes: 4 * mebibyte,
  },
  'drips its header': {
    raw: async (connection) => {
      connection.write('HTTP/1.1 200 OK\r\n')
      await floodWith(connection, 'x: y\r\n', 50)
    },
    ...timeout,
    streams: false,
  },
  'sends provisional answers without end': {
    raw: (connection) => floodWith(connection, 'HTTP/1.1 102 Processing\r\n\r\n', 50),
    ...timeout,
    streams: true,
  },
  'sends no body': {
    raw: sends('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n', ''),
    ...invalid,
  },
  'has no content': { raw: sends('HTTP/1.1 204 No Content\r\n\r\n', ''), ...invalid },
  'sends a page': {
    raw: sends('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n', '<!doctype html><title>Sign in</title>'),
    ...invalid,
  },
  'sends less than it said': {
    raw: (connection, format) =>
      sends(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n',
        wholeOf(format),
      )(connection),
    ...reset,
  },
  'breaks the framing of its chunks': {
    raw: sends(
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
      'zz\r\ndata: {}\r\n',
    ),
    ...invalid,
    streams: true,
  },
  'compresses what nobody wants compressed': {
    raw: (connection, format) =>
      sends(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n',
        gzipSync(wholeOf(format)),
      )(connection),
    ...invalid,
  },
  'compresses its stream': {
    raw: (connection, format) =>
      sends(
        'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n',
        gzipSync(eventsOf(format).join('')),
      )(connection),
    ...invalid,
    streams: true,
  },
  'writes an answer without end': {
    raw: async (connection) => {
      connection.write(`${jsonHead}{"choices": "`)
      await floodWith(connection, 'x'.repeat(256 * 1024))
    },
    ...tooLarge,
    maxBytes: 32 * mebibyte,
  },
  'drips its answer': {
    raw: async (connection) => {
      connection.write(`${jsonHead}{"choices": "`)
      await floodWith(connection, 'x', 50)
    },
    ...timeout,
    streams: false,
  },
  'writes a line without end': {
    raw: async (connection) => {
      connection.write(`${eventHead}data: `)
      await floodWith(connection, 'x'.repeat(256 * 1024))
    },
    ...tooLarge,
    streams: true,
    maxBytes: 16 * mebibyte,
  },
  'writes an event without end': {
    raw: async (connection) => {
      connection.write(eventHead)
      await floodWith(connection, line.repeat(4))
    },
    ...tooLarge,
    streams: true,
    maxBytes: 16 * mebibyte,
  },
  'writes events without end, none of them an answer': {
    raw: async (connection) => {
      connection.write(eventHead)
      await floodWith(connection, `event: other\ndata: {"type":"other","pad":"${'x'.repeat(64 * 1024)}"}\n\n`, 10)
    },
    ...timeout,
    streams: true,
  },
  'says nothing but keep-alive lines': {
    raw: async (connection) => {
      connection.write(eventHead)
      await floodWith(connection, ': keep-alive\n\n', 50)
    },
    ...timeout,
    streams: true,
  },
}

/** What the call comes to when its first words have been passed on and this follows. */
const afterWords: Record<string, { raw: Raw; category: string }> = {
  'keep-alive lines for ever': {
    raw: (connection) => floodWith(connection, ': keep-alive\n\n', 50),
    category: 'timeout',
  },
  'an event without end': { raw: (connection) => floodWith(connection, line.repeat(4)), category: 'too_large' },
  'broken chunks': { raw: (connection) => void connection.end('zz\r\n'), category: 'invalid_answer' },
}

describe.each(['openai', 'anthropic'] as const)('with %s', (format) => {
  test.each(Object.entries(afterWords))('%s after the first words: an error', async (_, { raw, category }) => {
    await start(format, category === 'timeout' ? hasty : patient)
    expect(await ask(true)).toMatchObject({ text, model: 'primary/m' })
    const connections: Socket[] = []
    primary.script({
      raw: async (connection) => {
        connections.push(connection)
        const chunked = category === 'invalid_answer'
        const head = chunked ? eventHead.replace('connection: close', 'transfer-encoding: chunked') : eventHead
        const said = eventsOf(format).slice(0, -3).join('')
        connection.write(head + (chunked ? `${Buffer.byteLength(said).toString(16)}\r\n${said}\r\n` : said))
        await raw(connection, format)
      },
    })
    const seen: string[] = []
    const broken = service.inference.complete(requestWith({ stream: true }), {
      onChunk: (chunk) => {
        if (chunk.type === 'text') seen.push(chunk.delta)
      },
    })
    await expect(broken).rejects.toMatchObject({ kind: 'upstream_failed', details: { category } })
    expect(seen.length).toBeGreaterThan(1)
    expect(text).toContain(seen.join(''))
    expect(spare.requests).toHaveLength(0)
    await eventually(() => connections[0]?.destroyed, 'the connection to be ended')
    await eventually(() => service.kept.costs.length === 2, 'the cost of what was said')
    expect(service.kept.costs[1]).toMatchObject({ model: 'primary/m', estimated: true })
    primary.script({ text })
    expect(await ask(true)).toMatchObject({ text, model: 'primary/m', failures: [] })
  })

  test.each(Object.entries(harmless))('%s: the answer is whole', async (title, raw) => {
    const isLong = title.startsWith('keep-alive')
    await start(format, isLong ? { ...patient, per_provider_timeout_seconds: 0.3 } : patient)
    primary.script({ raw: (connection) => raw(connection, format) })
    expect(await ask(true)).toMatchObject({ text, model: 'primary/m', failures: [] })
    expect(primary.requests).toHaveLength(1)
    expect(await breaker()).toMatchObject({ state: 'closed', failure_count: 0 })
  })

  describe.each(Object.entries(harmful))(
    'an upstream that %s',
    (_, { raw, category, calls, counted, streams, maxBytes }) => {
      test.each(streams === undefined ? [false, true] : [streams])(
        'is passed over and used again (streamed: %s)',
        async (stream) => {
          await start(format, category === 'timeout' ? hasty : patient)
          expect((await ask(stream)).model).toBe('primary/m')
          const connections: Socket[] = []
          primary.script({
            raw: (connection) => {
              connections.push(connection)
              return raw(connection, format)
            },
          })
          expect(primary.requests[0]?.headers['accept-encoding']).toBe('identity')
          const broken = await ask(stream)
          expect(broken).toMatchObject({ model: 'spare/m', failures: [{ model: 'primary/m', category }] })
          expect(primary.requests).toHaveLength(1 + calls)
          expect(await breaker()).toMatchObject({
            failure_count: counted,
            last_error: counted > 0 || category === 'rate_limit' ? category : null,
          })
          for (const connection of connections) {
            await eventually(() => connection.destroyed, 'the connection to be ended')
            if (maxBytes) expect(connection.bytesWritten).toBeLessThan(maxBytes)
          }
          primary.script({ text })
          clock += 75_000
          expect(await ask(stream)).toMatchObject({ text, model: 'primary/m', failures: [] })
          expect((await breaker())?.state).toBe('closed')
        },
      )
    },
  )
})
