import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { type ChannelUpdate, channelBounds, type OutboundMessage } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { OutboundPart } from '../../services/channels/adapter.ts'
import type { ReceptionState } from '../../services/channels/adapter-contract.ts'
import { errorTextFor } from '../../services/channels/error-text.ts'
import { PlatformError } from '../../services/channels/platform-error.ts'
import { channelTimes } from '../../services/channels/times.ts'
import { outboundParts } from '../../services/channels/worker/outbound-parts.ts'
import { readFileFrom } from '../../services/channels/worker/read-file.ts'
import { Reception } from '../../services/channels/worker/reception.ts'
import { type SentPart, sendMessage } from '../../services/channels/worker/send-message.ts'
import { UpdateIntake } from '../../services/channels/worker/update-intake.ts'
import { outboundMessage, quickTimes } from '../support/channels-service.ts'
import { oddUpdate } from '../support/platforms/odd-adapter.ts'

const errorText = errorTextFor({ token: 'a-token-of-no-known-shape', imap: 'host' })
const log = pino({ level: 'silent' })

const file = (fields: Partial<OutboundMessage['attachments'][number]> = {}) => ({
  kind: 'document' as const,
  filename: 'notes.txt',
  content_type: 'text/plain',
  size_bytes: 3,
  caption: null,
  ...fields,
})

/** More than Signal takes in one part. */
const longText = Array.from({ length: 120 }, (_, n) => `This is paragraph ${n} of a long answer.`).join('\n\n')

interface SendingScene {
  platform?: PlatformName
  send?: (part: OutboundPart, signal: AbortSignal) => Promise<{ message_id: string | null }>
  times?: { partMs: number; sendMs: number }
  signal?: AbortSignal
}

async function sending(fields: Partial<OutboundMessage>, scene: SendingScene = {}) {
  const tried: OutboundPart[] = []
  const sent: SentPart[] = []
  const send = async (part: OutboundPart, signal: AbortSignal) => {
    tried.push(part)
    return scene.send ? scene.send(part, signal) : { message_id: `id ${part.index}` }
  }
  const outcome = await sendMessage(
    outboundMessage(fields),
    { send },
    {
      platform: scene.platform ?? 'signal',
      times: scene.times ?? quickTimes,
      errorText,
      signal: scene.signal ?? new AbortController().signal,
      emit: async (part) => void sent.push(part),
    },
  )
  return { outcome, tried, sent }
}

test('a message is sent part by part, each told of once it is accepted', async () => {
  const { outcome, tried, sent } = await sending({ text: longText })
  expect(outcome).toEqual({ status: 'sent' })
  expect(tried.length).toBeGreaterThan(2)
  expect(sent).toEqual(tried.map((_, part) => ({ part, parts: tried.length, message_id: `id ${part}` })))
  expect(tried.map(({ key }) => key)).toEqual(tried.map((_, index) => `key/${index}`))
})

test('parts that were sent are not sent again, and the others are the same as before', async () => {
  const whole = await sending({ text: longText })
  const rest = await sending({ text: longText, parts_sent: 2 })
  expect(rest.outcome).toEqual({ status: 'sent' })
  expect(rest.tried).toEqual(whole.tried.slice(2))
  expect(rest.sent[0]).toEqual({ part: 2, parts: whole.tried.length, message_id: 'id 2' })
  const none = await sending({ text: longText, parts_sent: whole.tried.length })
  expect(none).toEqual({ outcome: { status: 'sent' }, tried: [], sent: [] })
})

test('what follows a part that fails waits for the next try', async () => {
  const { outcome, tried, sent } = await sending(
    { text: longText },
    {
      send: async ({ index }) => {
        if (index === 1) throw new PlatformError('Slower', { code: '429', permanent: false, retryAfterMs: 3_000 })
        return { message_id: null }
      },
    },
  )
  expect(outcome).toEqual({ status: 'retry', error: 'Slower', code: '429', retry_after_ms: 3_000 })
  expect(tried.map(({ index }) => index)).toEqual([0, 1])
  expect(sent.map(({ part }) => part)).toEqual([0])
})

test('each piece stands where it belongs: reply and draft first, buttons under the text, files last', () => {
  const buttons = [{ label: 'Yes', value: 'yes' }]
  const attachments = [file({ caption: 'See *this*' }), file()]
  const parts = outboundParts(
    outboundMessage({ text: longText, reply_to: 'asked', replaces: 'draft', buttons, attachments, subject: 'Re: it' }),
    'signal',
  )
  const texts = parts.length - attachments.length
  expect(parts.map(({ index }) => index)).toEqual(parts.map((_, at) => at))
  expect(parts.map(({ reply_to, replaces }) => [reply_to, replaces])).toEqual(
    parts.map((_, at) => (at === 0 ? ['asked', 'draft'] : [null, null])),
  )
  expect(parts.map((part) => part.buttons)).toEqual(parts.map((_, at) => (at === texts - 1 ? buttons : [])))
  expect(parts.map((part) => part.file?.index ?? null)).toEqual([...Array(texts).fill(null), 0, 1])
  expect(parts.slice(texts).map(({ plain }) => plain)).toEqual(['See this', ''])
  expect(parts.every(({ subject }) => subject === 'Re: it')).toBe(true)
})

test('a file alone takes the place of no draft', () => {
  const [part, ...more] = outboundParts(
    outboundMessage({ text: '', replaces: 'draft', reply_to: 'asked', attachments: [file()] }),
    'telegram',
  )
  expect(more).toEqual([])
  expect(part).toMatchObject({
    replaces: null,
    reply_to: 'asked',
    text: '',
    file: { delivery_id: 'delivery', index: 0 },
  })
})

test('a caption that is longer than a part follows the file', () => {
  const parts = outboundParts(outboundMessage({ text: '', attachments: [file({ caption: longText })] }), 'signal')
  expect(parts.length).toBeGreaterThan(1)
  expect(parts.map((part) => part.file !== null)).toEqual(parts.map((_, at) => at === 0))
})

test('nothing to see is sent as nothing', async () => {
  expect(await sending({ text: ' \n ' })).toEqual({ outcome: { status: 'sent' }, tried: [], sent: [] })
})

test.each([
  [new PlatformError('Gone', { code: '404', permanent: true }), { status: 'failed', error: 'Gone', code: '404' }],
  [
    new PlatformError('Later', { code: 'x'.repeat(500), permanent: false, retryAfterMs: Number.NaN }),
    { status: 'retry', error: 'Later', code: 'x'.repeat(128), retry_after_ms: null },
  ],
  [
    new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }),
    { status: 'retry', error: 'fetch failed: connect ECONNREFUSED', code: null, retry_after_ms: null },
  ],
  [
    new RuntimeError('not_found', 'The file is gone'),
    { status: 'retry', error: 'The file is gone', code: null, retry_after_ms: null },
  ],
  ['just text', { status: 'retry', error: 'just text', code: null, retry_after_ms: null }],
])('%s becomes an outcome', async (thrown, expected) => {
  const send = async () => {
    throw thrown
  }
  expect((await sending({}, { send })).outcome).toEqual(expected)
})

test('what went wrong is told without secrets, and at no great length', () => {
  expect(errorText(new Error('POST /bota-token-of-no-known-shape/send failed'))).toBe('POST /bot***/send failed')
  expect(errorText(new Error('asked by sk-abcdefgh1234567890'))).toBe('asked by sk-***')
  expect(errorText(new Error('x'.repeat(9_999))).length).toBe(1_024)
  expect(errorTextFor({ password: 'p/ss wörd' })('imap://me:p%2Fss%20w%C3%B6rd@host')).toBe('imap://me:***@host')
  const circle = new Error('round')
  circle.cause = circle
  expect(errorText(circle)).toBe('round: round: round')
})

test('the signal of a part goes off at its deadline', async () => {
  let heard: unknown
  const { outcome } = await sending(
    {},
    {
      times: { partMs: 20, sendMs: 1_000 },
      send: (_, signal) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            heard = signal.reason
            reject(signal.reason)
          }),
        ),
    },
  )
  expect(heard).toMatchObject({ kind: 'timeout' })
  expect(outcome).toMatchObject({ status: 'retry', code: null, error: 'The platform did not answer within 20 ms' })
})

test('a caller that has gone has nothing sent any more', async () => {
  const gone = new AbortController()
  const { tried } = await sending(
    { text: longText },
    {
      signal: gone.signal,
      send: async () => {
        gone.abort()
        return { message_id: null }
      },
    },
  )
  expect(tried.length).toBe(1)
})

test('parts for which the time of the call does not suffice are left for the next', async () => {
  const { outcome, sent } = await sending(
    { text: longText },
    {
      times: { partMs: 1_000, sendMs: 1_100 },
      send: () => new Promise((resolve) => setTimeout(resolve, 150, { message_id: null })),
    },
  )
  expect(sent.length).toBe(1)
  expect(outcome).toMatchObject({ status: 'retry', code: null, retry_after_ms: 0 })
})

test('a file to be sent is read piece by piece', async () => {
  const bytes = Buffer.from('0123456789')
  const asked: number[] = []
  const readFile = readFileFrom({
    readFile: async ({ offset }) => {
      asked.push(offset)
      return { data: bytes.subarray(offset, offset + 4).toString('base64') }
    },
  })
  const pieces: Uint8Array[] = []
  for await (const piece of readFile({ delivery_id: 'd', index: 0, about: file() })) pieces.push(piece)
  expect(Buffer.concat(pieces).toString()).toBe('0123456789')
  expect(asked).toEqual([0, 4, 8, 10])
})

function openIntake() {
  const batches: { updates: ChannelUpdate[]; cursor: string | null }[] = []
  const host = {
    accept: async (batch: { updates: ChannelUpdate[]; cursor: string | null }) => {
      batches.push(batch)
      return { accepted: batch.updates.length }
    },
  }
  const intake = new UpdateIntake({ host, times: quickTimes, log, signal: new AbortController().signal })
  return { intake, batches }
}

test('many updates go in batches, the cursor with the last of them', async () => {
  const { intake, batches } = openIntake()
  const many = Array.from({ length: 2 * channelBounds.updates + 1 }, (_, n) => oddUpdate(`${n}`))
  await intake.accept(many, 'after')
  expect(batches.map(({ updates }) => updates.length)).toEqual([channelBounds.updates, channelBounds.updates, 1])
  expect(batches.map(({ cursor }) => cursor)).toEqual([null, null, 'after'])
  await intake.accept([], 'a cursor alone')
  expect(batches.at(-1)).toEqual({ updates: [], cursor: 'a cursor alone' })
})

test('no batch is larger than the kernel reads', async () => {
  const { intake, batches } = openIntake()
  const large = Array.from({ length: 40 }, (_, n) => oddUpdate(`${n}`, 'x'.repeat(channelBounds.textBytes)))
  await intake.accept(large, null)
  expect(batches.flatMap(({ updates }) => updates.length).reduce((sum, one) => sum + one)).toBe(40)
  for (const batch of batches) expect(Buffer.byteLength(JSON.stringify(batch))).toBeLessThan(5 * 1024 * 1024)
})

/** Receives as told, one connection after the other, and then stops. */
async function receiving(connections: (() => void | Promise<void>)[], times = quickTimes) {
  const reports: Omit<ReceptionState, 'mode'>[] = []
  const stop = new AbortController()
  const startedAt: number[] = []
  const reception = new Reception({ times, errorText, report: (state) => reports.push(state) })
  const left = connections.map((connect) => () => connect())
  await reception.run(async () => {
    startedAt.push(performance.now())
    const next = left.shift()
    if (!next) return stop.abort()
    await next()
  }, stop.signal)
  return { reports, startedAt, reception }
}

const refusal = new PlatformError('Unauthorized', { code: '401', permanent: true })

test('a connection that ends or fails is made again, and failures in a row are counted', async () => {
  const { reports } = await receiving([
    () => {
      throw new Error('no route for a-token-of-no-known-shape')
    },
    () => {},
  ])
  expect(reports).toEqual([
    { state: 'backing_off', last_error: 'no route for ***', failures: 1 },
    { state: 'backing_off', last_error: 'The connection ended', failures: 2 },
  ])
})

test('a refusal for good is tried again after long, one for a while when the platform says', async () => {
  const times = { ...quickTimes, refusedMs: 300, askedMostMs: 200, reconnect: { firstMs: 1, mostMs: 1 } }
  const limit = new PlatformError('Slower', { code: '429', permanent: false, retryAfterMs: 999_999 })
  const { startedAt } = await receiving([() => Promise.reject(refusal), () => Promise.reject(limit)], times)
  const [first = 0, second = 0, third = 0] = startedAt
  expect(second - first).toBeGreaterThanOrEqual(295)
  expect(third - second).toBeGreaterThanOrEqual(195)
})

test('a connection that stood long enough begins to count anew', async () => {
  const reports: Omit<ReceptionState, 'mode'>[] = []
  const stop = new AbortController()
  const times = { ...quickTimes, healthyMs: 50 }
  const reception = new Reception({ times, errorText, report: (state) => reports.push(state) })
  let connections = 0
  await reception.run(async () => {
    connections += 1
    if (connections > 3) return stop.abort()
    reception.connected()
    if (connections === 3) await delay(60)
    reception.connected()
    throw new Error('lost')
  }, stop.signal)
  expect(reports).toEqual([
    { state: 'connected', last_error: null, failures: 0 },
    { state: 'backing_off', last_error: 'lost', failures: 1 },
    { state: 'connected', last_error: null, failures: 1 },
    { state: 'backing_off', last_error: 'lost', failures: 2 },
    { state: 'connected', last_error: null, failures: 2 },
    { state: 'connected', last_error: null, failures: 0 },
    { state: 'backing_off', last_error: 'lost', failures: 1 },
  ])
  expect(reception.lastActivity).not.toBeNull()
})

test('what a platform says after its connection was lost does not make it connected', async () => {
  const reports: Omit<ReceptionState, 'mode'>[] = []
  const reception = new Reception({ times: channelTimes, errorText, report: (state) => reports.push(state) })
  reception.connected()
  expect(reports).toEqual([])
})
