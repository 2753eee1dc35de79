import { afterEach, beforeEach, expect, test } from 'vitest'
import { platforms } from '#sdk/channels/platforms.ts'
import type { Adapter } from '../../services/channels/adapter.ts'
import { readEvent } from '../../services/channels/adapters/signal/inbound.ts'
import { createSignal } from '../../services/channels/adapters/signal.ts'
import { outboundPart, TestHost } from '../support/adapter-host.ts'
import {
  bytesOf,
  connectedTo,
  deadline,
  fileOf,
  follow,
  messagesOf,
  refusalOf,
  refusalOnceStopped,
  running,
  stopAll,
  textsOf,
} from '../support/adapter-scene.ts'
import { hostileValues } from '../support/platforms/hostile-values.ts'
import { FakeSignal, signalAccountId, signalNumber } from '../support/platforms/signal.ts'

const ada = '+441234567890'
const bob = '22222222-2222-4222-8222-222222222222'
const group = 'Pmpi+EfPWmsxiomLe9Nx2XF9HOE483p6iKiFj65iMwI='

let signalCli: FakeSignal

beforeEach(async () => {
  signalCli = await FakeSignal.start()
})

afterEach(async () => {
  await stopAll()
  await signalCli.close()
})

function connect(host: TestHost, phone_number = signalNumber): Adapter {
  return createSignal({ phone_number, daemon_url: signalCli.url }, host.host)
}

function connected(host: TestHost): Promise<Adapter> {
  return connectedTo(host, connect(host))
}

test('a message to the account alone is direct, and comes with its files', async () => {
  const host = new TestHost()
  await connected(host)
  const file = { id: 'aBc-1.png', contentType: 'image/png', filename: 'cat.png', size: 12 }
  const sentAt = signalCli.say('Look', { attachments: [file, { ...file, id: '../../etc/passwd' }, { id: null }] })
  await host.until(() => host.updates.length === 1)
  expect(host.updates).toEqual([
    {
      type: 'message',
      external_id: `${ada}:${sentAt}`,
      message_id: `${ada}:${sentAt}`,
      chat_id: ada,
      thread_id: null,
      chat_kind: 'direct',
      guild_id: null,
      sender_id: ada,
      sender_name: 'Ada',
      text: 'Look',
      addressed: true,
      edited: false,
      attachments: [
        { kind: 'image', ref: `${ada} aBc-1.png`, filename: 'cat.png', content_type: 'image/png', size_bytes: 12 },
      ],
      sent_at: new Date(sentAt).toISOString(),
    },
  ])
})

test('who hides the number is known by the account’s id', async () => {
  const host = new TestHost()
  await connected(host)
  signalCli.say('hi', {}, { source: bob, sourceNumber: null, sourceUuid: bob })
  signalCli.say('hi', {}, { sourceNumber: ada, sourceUuid: bob })
  await host.until(() => host.updates.length === 2)
  expect(messagesOf(host).map(({ sender_id, chat_id }) => [sender_id, chat_id])).toEqual([
    [bob, bob],
    [ada, ada],
  ])
})

test('in a group it is addressed by its number or id, or by a quotation of its words, and by nothing else', async () => {
  const host = new TestHost()
  await connected(host)
  const at = { groupInfo: { groupId: group, type: 'DELIVER' } }
  const mention = (who: object, start = 0) => [{ name: 'Keel', number: null, uuid: null, start, length: 1, ...who }]
  signalCli.say('Keel, are you there?', at)
  signalCli.say('\uFFFC /status', { ...at, mentions: mention({ number: signalNumber }) })
  signalCli.say('\uFFFC /help', { ...at, mentions: mention({ uuid: signalAccountId }) })
  signalCli.say('hi \uFFFC', { ...at, mentions: mention({ number: '+99999999' }, 3) })
  signalCli.say('thanks', { ...at, quote: { id: 1, authorNumber: signalNumber, authorUuid: null } })
  signalCli.say('to you', { ...at, quote: { id: 1, authorNumber: ada, authorUuid: bob } })
  await host.until(() => host.updates.length === 6)
  expect(messagesOf(host).map(({ text, addressed }) => [text, addressed])).toEqual([
    ['Keel, are you there?', false],
    ['/status', true],
    ['/help', true],
    ['hi @+99999999', false],
    ['thanks', true],
    ['to you', false],
  ])
  expect(messagesOf(host).every(({ chat_kind, chat_id }) => chat_kind === 'group' && chat_id === group)).toBe(true)
})

test('what its own devices sent, reactions, typing, stories and other accounts’ messages are no updates', async () => {
  const host = new TestHost()
  await connected(host)
  signalCli.receive({ syncMessage: { sentMessage: { destination: ada, timestamp: 1, message: 'mine' } } })
  signalCli.say('note to self', {}, { sourceNumber: signalNumber, sourceUuid: signalAccountId })
  signalCli.say(null, { reaction: { emoji: '👍', targetSentTimestamp: 1 } })
  signalCli.say(null, { remoteDelete: { timestamp: 1 } })
  signalCli.say('an answer to a story', { storyContext: { sentTimestamp: 1 } })
  signalCli.receive({ typingMessage: { action: 'STARTED' } })
  signalCli.receive({ storyMessage: { textAttachment: { text: 'story' } } })
  signalCli.push({
    envelope: { sourceNumber: ada, dataMessage: { timestamp: 1, message: 'elsewhere' } },
    account: '+4900000000',
  })
  signalCli.say('the last')
  await host.until(() => host.updates.length > 0)
  expect(textsOf(host)).toEqual(['the last'])
})

test('an edit names what it replaces, and receipts name what was sent', async () => {
  const host = new TestHost()
  const adapter = await connected(host)
  const sentAt = signalCli.say('frist')
  const dataMessage = { timestamp: sentAt + 50, message: 'first' }
  signalCli.receive({ editMessage: { targetSentTimestamp: sentAt, dataMessage } })
  const { message_id } = await adapter.send(outboundPart({ chat_id: ada }), deadline())
  const timestamps = [Number(message_id?.split(':').at(-1))]
  signalCli.receive({ receiptMessage: { isDelivery: true, isRead: false, isViewed: false, timestamps } })
  signalCli.receive({ receiptMessage: { isDelivery: false, isRead: true, isViewed: false, timestamps } })
  await host.until(() => host.updates.length === 4)
  expect(host.updates).toMatchObject([
    { text: 'frist', edited: false },
    { text: 'first', edited: true, message_id: `${ada}:${sentAt}`, external_id: `${ada}:${sentAt + 50}` },
    { type: 'receipt', message_id, status: 'delivered' },
    { type: 'receipt', message_id, status: 'read' },
  ])
})

test('another process goes on from the last event that was kept', async () => {
  const host = new TestHost()
  const first = follow(connect(host))
  await host.until(() => host.connections > 0)
  signalCli.say('one')
  await host.until(() => host.updates.length === 1)
  first.stop.abort()
  expect(await first.over).toBeNull()
  signalCli.say('two')
  const next = new TestHost({ cursor: host.cursor })
  follow(connect(next))
  await next.until(() => next.updates.length > 0)
  expect(textsOf(next)).toEqual(['two'])
  expect(signalCli.resumed).toEqual([null, '1'])
})

test('what could not be kept comes again', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.connections > 0)
  signalCli.say('kept')
  await host.until(() => host.updates.length === 1)
  host.refusal = new Error('The store is full')
  signalCli.say('not lost')
  expect(await first.over).toBe(host.refusal)
  host.refusal = null
  follow(adapter)
  await host.until(() => host.updates.length === 2)
  expect(textsOf(host)).toEqual(['kept', 'not lost'])
})

test('an event that the daemon no longer knows leads to all it has, each taken once', async () => {
  const host = new TestHost({ cursor: 'of-another-daemon' })
  signalCli.say('one')
  follow(connect(host))
  await host.until(() => host.updates.length === 1)
  signalCli.dropListeners()
  expect(await running[0]?.over).toMatchObject({ name: 'PlatformError', permanent: false })
  signalCli.say('two')
  follow(connect(host))
  await host.until(() => host.updates.length === 2)
  expect(textsOf(host)).toEqual(['one', 'two'])
})

test('an older daemon has no ids to go on from, and a daemon of one account lists none', async () => {
  signalCli.numbersEvents = false
  signalCli.singleAccount = true
  const host = new TestHost()
  await connected(host)
  signalCli.say('one')
  await host.until(() => host.updates.length === 1)
  expect(host.cursor).toBeNull()
  expect(await connect(new TestHost()).check(deadline())).toEqual({ identity: signalNumber })
})

test('a message goes to a number, an account or a group, and quotes what it answers', async () => {
  const adapter = connect(new TestHost())
  await adapter.send(outboundPart({ chat_id: ada, text: 'Yes', reply_to: `${ada}:1700000000000` }), deadline())
  await adapter.send(outboundPart({ chat_id: bob, reply_to: 'nonsense' }), deadline())
  const { message_id } = await adapter.send(outboundPart({ chat_id: group }), deadline())
  expect(signalCli.sent).toMatchObject([
    { account: signalNumber, recipient: [ada], message: 'Yes', quoteTimestamp: 1_700_000_000_000, quoteAuthor: ada },
    { recipient: [bob] },
    { groupId: group },
  ])
  expect(signalCli.sent[1]).not.toHaveProperty('quoteTimestamp')
  expect(message_id).toBe(`${signalNumber}:${signalCli.sent[2]?.timestamp}`)
})

test('a file goes as bytes, whatever its name and type would have the daemon read', async () => {
  const host = new TestHost()
  const bytes = Buffer.from('%PDF-1.7 not really')
  const filename = 'a;base64,x/../größe.pdf'
  const file = fileOf(host, { filename, content_type: '/etc/passwd;x' }, bytes)
  await connect(host).send(outboundPart({ chat_id: ada, text: '', file }), deadline())
  const [uri] = (signalCli.sent[0]?.attachments ?? []) as string[]
  const [, type, name, data] = /^data:([^;,]+);filename=([^;,]+);base64,([^;,]+)$/.exec(uri ?? '') ?? []
  expect(type).toBe('application/octet-stream')
  expect(decodeURIComponent(name ?? '')).toBe(filename)
  expect(Buffer.from(data ?? '', 'base64')).toEqual(bytes)
})

test('a file that Signal does not take is not sent', async () => {
  const host = new TestHost()
  const tooLarge = Buffer.alloc(platforms.signal.fileBytes + 1)
  const file = fileOf(host, { kind: 'video', filename: 'a.mp4', content_type: 'video/mp4' }, tooLarge)
  const part = outboundPart({ chat_id: ada, file })
  expect(await refusalOf(connect(host).send(part, deadline()))).toMatchObject({
    code: 'file_too_large',
    permanent: true,
  })
  expect(signalCli.calls).toEqual([])
})

test.each([
  { results: [{ type: 'UNREGISTERED_FAILURE' }], code: 'UNREGISTERED_FAILURE', permanent: true, retryAfterMs: null },
  { results: [{ type: 'IDENTITY_FAILURE' }], code: 'IDENTITY_FAILURE', permanent: true, retryAfterMs: null },
  { results: [{ type: 'NETWORK_FAILURE' }], code: 'NETWORK_FAILURE', permanent: false, retryAfterMs: null },
  {
    results: [{ type: 'RATE_LIMIT_FAILURE', retryAfterSeconds: 90 }],
    code: 'RATE_LIMIT_FAILURE',
    permanent: false,
    retryAfterMs: 90_000,
  },
  {
    results: [{ type: 'UNREGISTERED_FAILURE' }, { type: 'NETWORK_FAILURE' }],
    code: 'NETWORK_FAILURE',
    permanent: false,
    retryAfterMs: null,
  },
  { results: [{ type: 'NEW_FAILURE' }], code: 'NEW_FAILURE', permanent: false, retryAfterMs: null },
])('of a message that ends with $results.0.type permanent is $permanent', async ({ results, ...expected }) => {
  signalCli.results.push(results)
  expect(await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id: group }), deadline()))).toMatchObject(
    expected,
  )
})

test('a message that one member of a group did not get is sent', async () => {
  signalCli.results.push([{ type: 'UNREGISTERED_FAILURE' }, { type: 'SUCCESS' }])
  await connect(new TestHost()).send(outboundPart({ chat_id: group }), deadline())
  expect(signalCli.sent).toHaveLength(1)
})

test.each([
  { code: -1, permanent: true },
  { code: -3, permanent: false },
  { code: -4, permanent: true },
  { code: -5, permanent: false },
  { code: -32602, permanent: true },
  { code: -32603, permanent: false },
])('of code $code permanent is $permanent', async ({ code, permanent }) => {
  const body = { jsonrpc: '2.0', error: { code, message: 'permanent 403 Forbidden', data: null }, id: '1' }
  signalCli.failNext(1, { status: 200, body })
  expect(await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id: ada }), deadline()))).toMatchObject({
    name: 'PlatformError',
    code: `rpc_${code}`,
    permanent,
  })
})

test.each([
  { status: 500, body: 'oops' },
  { status: 403, body: '<html>blocked</html>' },
  { status: 302, headers: { location: 'http://example.org/' }, body: '' },
  { status: 200, body: 'no JSON' },
  { status: 200, body: { result: { timestamp: 'x' } } },
  { status: 200, body: { error: 'x' } },
  'drop' as const,
])('what signal-cli itself does not say may go better: %j', async (fault) => {
  const adapter = connect(new TestHost())
  signalCli.failNext(1, fault)
  expect(await refusalOf(adapter.send(outboundPart({ chat_id: ada }), deadline()))).toMatchObject({ permanent: false })
  await adapter.send(outboundPart({ chat_id: ada }), deadline())
  expect(signalCli.sent).toHaveLength(1)
})

test('a request that hangs ends with its signal', async () => {
  signalCli.failNext(1, 'hang')
  const refusal = await refusalOnceStopped(signalCli, (signal) =>
    connect(new TestHost()).send(outboundPart({ chat_id: ada }), signal),
  )
  expect(refusal).toMatchObject({ name: 'AbortError' })
})

test.each([
  'Ada',
  '',
  '+',
  '+49151x',
  'group',
  '../x',
  `${group}x`,
  '--help',
  'u:ada.01',
  'ABCDEF00-0000-4000-8000-000000000000',
])('%j names no conversation', async (chat_id) => {
  const error = await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id }), deadline()))
  expect(error).toMatchObject({ code: 'invalid_chat', permanent: true })
  expect(signalCli.calls).toEqual([])
})

test('an account that the daemon does not have is named as such', async () => {
  const adapter = connect(new TestHost(), '+4900000000')
  for (const call of [() => adapter.check(deadline()), () => adapter.receive(deadline())]) {
    expect(await refusalOf(call())).toMatchObject({ code: 'account_unknown', permanent: true })
  }
})

test('a stream that is refused or lost says so, and is taken up again', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  signalCli.failNext(1, { status: 503, body: '' }, /events/)
  expect(await follow(adapter).over).toMatchObject({ code: 'http_503', permanent: false })
  const second = follow(adapter)
  await host.until(() => host.connections === 1)
  signalCli.dropListeners()
  expect(await second.over).toMatchObject({ name: 'PlatformError', permanent: false })
  await connected(host)
  signalCli.say('still here')
  await host.until(() => host.updates.length === 1)
})

test('typing is shown in the conversation', async () => {
  await connect(new TestHost()).typing?.({ chat_id: group, thread_id: null, message_id: null }, deadline())
  expect(signalCli.typing).toMatchObject([{ groupId: group }])
})

test('files are fetched for the conversation in which they came, within their bounds', async () => {
  const bytes = Buffer.from('a picture')
  signalCli.hostFile(group, 'aBc-1.png', bytes)
  signalCli.hostFile(ada, 'aBc-2.png', Buffer.alloc(100_000))
  const adapter = connect(new TestHost())
  const fetched = async (ref: string, maxBytes = 1_000) => {
    const media = await adapter.fetchMedia?.({ ref, kind: 'image', maxBytes }, deadline())
    return bytesOf(media ?? expect.unreachable())
  }
  expect(await fetched(`${group} aBc-1.png`)).toEqual(bytes)
  await expect(fetched(`${group} aBc-1.png`, 3)).rejects.toMatchObject({ kind: 'too_large' })
  await expect(fetched(`${ada} aBc-2.png`)).rejects.toMatchObject({ kind: 'too_large' })
  await expect(fetched(`${ada} aBc-1.png`)).rejects.toMatchObject({ code: 'rpc_-1', permanent: true })
  for (const odd of ['', 'aBc-1.png', `${group} ../x`, `${group} .ssh`, `${group} a/b`]) {
    await expect(fetched(odd)).rejects.toMatchObject({ code: 'invalid_media' })
  }
  await expect(fetched('nobody aBc-1.png')).rejects.toMatchObject({ code: 'invalid_chat' })
})

test('check says who Keel is', async () => {
  expect(await connect(new TestHost()).check(deadline())).toEqual({ identity: signalNumber })
})

test('no shape of an event breaks the reading', async () => {
  const host = new TestHost()
  await connected(host)
  const own = { number: signalNumber, uuid: signalAccountId }
  const data = {
    timestamp: 1,
    message: 'hello',
    groupInfo: { groupId: group },
    mentions: [{ number: ada, start: 0, length: 1 }],
    attachments: [{ id: 'x' }],
    quote: { authorNumber: ada },
  }
  const envelope = { sourceNumber: ada, sourceUuid: bob, sourceName: 'Ada' }
  const shapes = hostileValues.flatMap((value) => [
    value,
    { envelope: value },
    { account: value, envelope: { ...envelope, dataMessage: data } },
    ...Object.keys(envelope).map((key) => ({ envelope: { ...envelope, dataMessage: data, [key]: value } })),
    ...Object.keys(data).flatMap((key) => [
      { envelope: { ...envelope, dataMessage: { ...data, [key]: value } } },
      { envelope: { ...envelope, editMessage: { targetSentTimestamp: 1, dataMessage: { ...data, [key]: value } } } },
    ]),
    { envelope: { ...envelope, dataMessage: { ...data, mentions: [value], attachments: [value] } } },
    { envelope: { ...envelope, editMessage: value } },
    { envelope: { ...envelope, receiptMessage: value } },
    { envelope: { ...envelope, receiptMessage: { isRead: value, timestamps: value } } },
    { envelope: { ...envelope, receiptMessage: { isRead: true, timestamps: [value] } } },
  ])
  expect(shapes.length).toBeGreaterThan(500)
  for (const shape of shapes) {
    expect(() => readEvent(JSON.stringify(shape), own)).not.toThrow()
    signalCli.push(shape)
  }
  for (const text of ['', 'nonsense', '{', '[]', '"x"']) {
    expect(readEvent(text, own)).toEqual([])
    signalCli.push(text)
  }
  signalCli.say('the last')
  await host.until(() => textsOf(host).includes('the last'))
  expect(running).toHaveLength(1)
})

test('an event without an end is not waited for', async () => {
  const host = new TestHost()
  const { over } = follow(connect(host))
  await host.until(() => host.connections > 0)
  signalCli.push('x'.repeat(5 * 1024 * 1024))
  expect(await over).toMatchObject({ code: 'event_too_long', permanent: false })
})
