import { once } from 'node:events'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { InboundMessage } from '#sdk/channels/message.ts'
import { channelUpdate } from '#sdk/channels/message.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { AdapterSettings } from '#sdk/services/channels.ts'
import type { Adapter, OutboundPart } from '../../services/channels/adapter.ts'
import { readUpdate } from '../../services/channels/adapters/telegram/inbound.ts'
import { createTelegram } from '../../services/channels/adapters/telegram.ts'
import { outboundPart, TestHost } from '../support/adapter-host.ts'
import {
  bytesOf,
  deadline,
  fileOf,
  follow,
  refusalOf,
  refusalOnceStopped,
  stopAll,
  toldBy,
} from '../support/adapter-scene.ts'
import { startHookReceiver } from '../support/hook-receiver.ts'
import { hostileValues } from '../support/platforms/hostile-values.ts'
import {
  FakeTelegram,
  telegramBot,
  telegramChat,
  telegramGroup,
  telegramToken,
  telegramUser,
} from '../support/platforms/telegram.ts'

const ada = String(telegramUser.id)

let telegram: FakeTelegram

beforeEach(async () => {
  telegram = await FakeTelegram.start()
})

afterEach(async () => {
  await stopAll()
  await telegram.close()
})

function connect(host: TestHost, settings: Partial<AdapterSettings['telegram']> = {}): Adapter {
  const usual = { token: telegramToken, api_url: telegram.apiUrl, mode: 'polling', poll_timeout_seconds: 5 } as const
  return createTelegram({ ...usual, webhook_url: null, webhook_secret: null, ...settings }, host.host)
}

/** What came of these updates, by polling. */
async function received(...updates: Record<string, unknown>[]): Promise<TestHost> {
  const host = new TestHost()
  for (const update of updates) telegram.push(update)
  follow(connect(host))
  await host.until(() => host.cursor === String(500_000_001 + updates.length))
  return host
}

async function receivedMessage(fields: Record<string, unknown>): Promise<InboundMessage> {
  const { updates } = await received({ message: telegram.message(fields) })
  return updates[0] as InboundMessage
}

function send(part: Partial<OutboundPart> = {}, host = new TestHost()): Promise<{ message_id: string | null }> {
  return connect(host).send(outboundPart({ chat_id: ada, ...part }), deadline())
}

test('a direct message is an update, under the id of its update, by the numbers of who sent it', async () => {
  telegram.say('Hello')
  const host = new TestHost()
  follow(connect(host))
  await host.until(() => host.updates.length === 1)
  expect(host.updates[0]).toMatchObject({
    type: 'message',
    external_id: '500000001',
    chat_id: ada,
    thread_id: null,
    chat_kind: 'direct',
    guild_id: null,
    sender_id: ada,
    sender_name: 'Ada Byron',
    text: 'Hello',
    addressed: true,
    edited: false,
    attachments: [],
  })
  expect(host.cursor).toBe('500000002')
})

test('at the start the webhook is taken away, and only what is read is asked for', async () => {
  const host = new TestHost()
  follow(connect(host))
  await once(telegram.events, 'polling', { signal: deadline() })
  expect(telegram.requests.map(({ method }) => method)).toEqual(['getMe', 'deleteWebhook', 'getUpdates'])
  expect(telegram.requests.at(-1)?.params).toMatchObject({
    timeout: 5,
    limit: 100,
    allowed_updates: ['message', 'edited_message', 'channel_post', 'callback_query'],
  })
})

test('an update is confirmed once it is kept, and not before', async () => {
  const host = new TestHost()
  host.refusal = new Error('The store is full')
  telegram.say('not lost')
  const first = follow(connect(host))
  expect(await first.over).toBe(host.refusal)
  expect(telegram.pending).toHaveLength(1)
  host.refusal = null
  follow(connect(host))
  await host.until(() => host.updates.length === 1)
  while (telegram.pending.length > 0) await once(telegram.events, 'polling', { signal: deadline() })
  expect(host.updates).toMatchObject([{ text: 'not lost' }])
})

test('another process goes on from the cursor', async () => {
  const host = new TestHost({ cursor: '500000002' })
  telegram.say('before')
  telegram.say('after')
  follow(connect(host))
  await host.until(() => host.updates.length === 1)
  expect(host.updates).toMatchObject([{ text: 'after' }])
})

test('what is no message advances the cursor and is no update', async () => {
  const host = await received(
    { my_chat_member: { chat: telegramChat } },
    { message: telegram.message({ new_chat_members: [telegramUser] }) },
    { message: { message_id: 'x' } },
    {},
  )
  expect(host.updates).toEqual([])
})

test('more updates than fit at once come one batch after the other', async () => {
  for (let index = 0; index < 250; index++) telegram.say(`number ${index}`)
  const host = new TestHost()
  follow(connect(host))
  await host.until(() => host.updates.length === 250)
  expect(host.cursor).toBe('500000251')
})

test('another poller ends it with an error that says so', async () => {
  const { over } = follow(connect(new TestHost()))
  await once(telegram.events, 'polling', { signal: deadline() })
  follow(connect(new TestHost()))
  expect(await over).toMatchObject({
    code: '409',
    permanent: false,
    message: expect.stringMatching(/another program/i),
  })
})

test('a token that Telegram does not know is refused for good', async () => {
  const adapter = connect(new TestHost(), { token: '1:unknown-token-of-somebody-else' })
  expect(await follow(adapter).over).toMatchObject({ code: '401', permanent: true })
  const error = await refusalOf(adapter.check(deadline()))
  expect(toldBy(error)).not.toContain('unknown-token')
})

test('an edit is an update of its own', async () => {
  const message = telegram.message({ text: 'first', edit_date: 1_800_000_000 })
  const host = await received({ edited_message: message })
  expect(host.updates).toMatchObject([
    { text: 'first', edited: true, message_id: String(message.message_id), sent_at: '2027-01-15T08:00:00.000Z' },
  ])
})

test('a live location moves without a word', async () => {
  const moving = { location: { latitude: 1, longitude: 2, live_period: 60 } }
  const host = await received({ edited_message: telegram.message({ ...moving, edit_date: 1 }) })
  expect(host.updates).toEqual([])
})

test.each([
  [{ text: 'hello all' }, false, 'hello all'],
  [{ text: '@keel_test_BOT hello', entities: [{ type: 'mention', offset: 0, length: 14 }] }, true, 'hello'],
  [{ text: 'hi @Keel_Test_bot', entities: [{ type: 'mention', offset: 3, length: 14 }] }, true, 'hi @Keel_Test_bot'],
  [{ text: 'hi @Keel_Test_bot' }, false, 'hi @Keel_Test_bot'],
  [{ text: 'hi @Keel_Test_bots', entities: [{ type: 'mention', offset: 3, length: 15 }] }, false, 'hi @Keel_Test_bots'],
  [
    { text: '🙂 Keel?', entities: [{ type: 'text_mention', offset: 3, length: 4, user: telegramBot }] },
    true,
    '🙂 Keel?',
  ],
  [{ text: 'Keel?', entities: [{ type: 'text_mention', offset: 0, length: 4, user: telegramUser }] }, false, 'Keel?'],
  [
    { text: '/status@keel_test_bot now', entities: [{ type: 'bot_command', offset: 0, length: 21 }] },
    true,
    '/status now',
  ],
  [
    { text: '/status@other_bot', entities: [{ type: 'bot_command', offset: 0, length: 17 }] },
    false,
    '/status@other_bot',
  ],
  [{ text: '/status', entities: [{ type: 'bot_command', offset: 0, length: 7 }] }, false, '/status'],
  [{ text: 'thanks', reply_to_message: { message_id: 1, from: telegramBot } }, true, 'thanks'],
  [{ text: 'thanks', reply_to_message: { message_id: 1, from: telegramUser } }, false, 'thanks'],
  [{ text: 'topic', reply_to_message: { from: telegramBot, forum_topic_created: { name: 'x' } } }, false, 'topic'],
  [
    { caption: 'see @Keel_Test_bot', caption_entities: [{ type: 'mention', offset: 4, length: 14 }] },
    true,
    'see @Keel_Test_bot',
  ],
])('in a group, %j: addressed is %j', async (fields, addressed, text) => {
  const message = await receivedMessage({ chat: telegramGroup, ...fields })
  expect(message).toMatchObject({ chat_kind: 'group', chat_id: '-1001234567890', addressed, text })
})

test('a bare mention is an update without a text', async () => {
  const entities = [{ type: 'mention', offset: 0, length: 14 }]
  expect(await receivedMessage({ chat: telegramGroup, text: '@Keel_Test_bot', entities })).toMatchObject({
    text: '',
    addressed: true,
  })
})

test('a command in a direct chat needs no name', async () => {
  const entities = [{ type: 'bot_command', offset: 0, length: 5 }]
  expect(await receivedMessage({ text: '/help', entities })).toMatchObject({ text: '/help', addressed: true })
})

test('bots are no people; who speaks as a chat is that chat', async () => {
  const anonymous = { id: 1_087_968_824, is_bot: true, first_name: 'Group', username: 'GroupAnonymousBot' }
  const host = await received(
    { message: telegram.message({ text: 'beep', from: { ...telegramUser, is_bot: true } }) },
    { message: telegram.message({ text: 'mine', from: telegramBot }) },
    { message: telegram.message({ text: 'admin', chat: telegramGroup, from: anonymous, sender_chat: telegramGroup }) },
    {
      channel_post: telegram.message({
        text: 'post',
        from: undefined,
        chat: { id: -100_9, type: 'channel', title: 'C' },
      }),
    },
  )
  expect(host.updates).toMatchObject([
    { text: 'admin', sender_id: '-1001234567890', sender_name: 'The group' },
    { text: 'post', sender_id: '-1009', sender_name: 'C', chat_kind: 'group', addressed: false },
  ])
})

test('a topic is a thread, and the thread id of a plain reply is none', async () => {
  const at = { chat: telegramGroup, text: 'x', message_thread_id: 77 }
  const host = await received(
    { message: telegram.message({ ...at, is_topic_message: true }) },
    { message: telegram.message(at) },
  )
  expect(host.updates).toMatchObject([{ thread_id: '77' }, { thread_id: null }])
})

test.each([
  [
    { photo: [size('s', 90, 90), size('l', 1280, 960), size('m', 320, 240)], caption: 'Look' },
    { kind: 'image', ref: 'l', content_type: 'image/jpeg', size_bytes: 1_228_800 },
  ],
  [{ voice: { file_id: 'v', duration: 3, mime_type: 'audio/ogg' } }, { kind: 'audio', ref: 'v' }],
  [
    { audio: { file_id: 'a', file_name: 'song.mp3', mime_type: 'audio/mpeg' } },
    { kind: 'audio', filename: 'song.mp3' },
  ],
  [{ video: { file_id: 'w', mime_type: 'video/mp4' } }, { kind: 'video', ref: 'w' }],
  [{ video_note: { file_id: 'n', length: 240 } }, { kind: 'video', content_type: 'video/mp4' }],
  [
    { document: { file_id: 'd', file_name: 'a.pdf', mime_type: 'application/pdf', file_size: 9 } },
    { kind: 'document', ref: 'd', filename: 'a.pdf', content_type: 'application/pdf', size_bytes: 9 },
  ],
  [{ document: { file_id: 'p', mime_type: 'image/png' } }, { kind: 'image', ref: 'p' }],
  [
    { animation: { file_id: 'g' }, document: { file_id: 'g' } },
    { kind: 'video', ref: 'g' },
  ],
  [{ sticker: { file_id: 's', emoji: '👍' } }, { kind: 'image', content_type: 'image/webp' }],
  [{ sticker: { file_id: 's', is_animated: true } }, { kind: 'document', content_type: 'application/x-tgsticker' }],
])('%j is one attachment', async (fields, attachment) => {
  const { attachments, text } = await receivedMessage(fields)
  expect(attachments).toHaveLength(1)
  expect(attachments[0]).toMatchObject(attachment)
  const { caption, sticker } = fields as { caption?: string; sticker?: { emoji?: string } }
  expect(text).toBe(caption ?? sticker?.emoji ?? '')
})

function size(file_id: string, width: number, height: number) {
  return { file_id, width, height, file_size: width * height }
}

test.each([
  [{ location: { latitude: 51.5, longitude: -0.1 } }, 'Location: 51.5, -0.1'],
  [
    { venue: { location: { latitude: 1, longitude: 2 }, title: 'Café', address: 'Main St 1' }, location: undefined },
    'Location: 1, 2 (Café, Main St 1)',
  ],
  [{ contact: { phone_number: '+441234', first_name: 'Al', last_name: 'T' } }, 'Contact: Al T, +441234'],
  [{ poll: { question: 'When?', options: [{ text: 'Mo' }, { text: 'Tu' }] } }, 'Poll: When?\n- Mo\n- Tu'],
])('%j is said in words', async (fields, text) => {
  expect(await receivedMessage(fields)).toMatchObject({ text })
})

test('a pressed button is an update, and is acknowledged by its own id', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  follow(adapter)
  telegram.press('approve:1')
  await host.until(() => host.updates.length === 1)
  expect(host.updates[0]).toMatchObject({ type: 'press', value: 'approve:1', chat_id: ada, sender_id: ada })
  const { external_id } = host.updates[0] as { external_id: string }
  await adapter.answerPress?.({ external_id, text: 'Approved' }, deadline())
  await adapter.answerPress?.({ external_id, text: '' }, deadline())
  expect(telegram.answers).toEqual([
    { callback_query_id: external_id, text: 'Approved' },
    { callback_query_id: external_id, text: null },
  ])
})

test('a webhook is set with its secret, and what comes, again until it is taken, is read', async () => {
  const hook = await startHookReceiver()
  const settings = { mode: 'webhook', webhook_url: hook.url, webhook_secret: 'hook-secret_1' } as const
  try {
    const host = new TestHost()
    const adapter = connect(host, settings)
    const { stop, over } = follow(adapter)
    await host.until(() => host.connections > 0)
    hook.refuseNext(500)
    telegram.say('by webhook')
    const first = await hook.next()
    const { headers, body } = await hook.next()
    expect(body).toBe(first.body)
    expect(headers['x-telegram-bot-api-secret-token']).toBe('hook-secret_1')
    expect(telegram.webhook?.allowed_updates).toContain('callback_query')
    expect(await adapter.parse?.(body)).toMatchObject([{ text: 'by webhook', sender_id: ada }])
    stop.abort()
    expect(await over).toBeNull()
  } finally {
    await hook.close()
  }
})

test('without a secret no webhook is set', async () => {
  const adapter = connect(new TestHost(), { mode: 'webhook', webhook_url: 'https://keel.example.org/x' })
  expect(await follow(adapter).over).toMatchObject({ code: 'webhook_secret_missing', permanent: true })
  expect(telegram.webhook).toBeNull()
})

test('what comes before the bot knows its name is read by asking for it, once', async () => {
  const adapter = connect(new TestHost(), { mode: 'webhook' })
  const entities = [{ type: 'mention', offset: 0, length: 14 }]
  const message = telegram.message({ chat: telegramGroup, text: '@keel_test_bot hi', entities })
  const body = JSON.stringify({ update_id: 1, message })
  telegram.failNext(1, { status: 500, body: { ok: false, error_code: 500, description: 'Internal' } })
  expect(await refusalOf(Promise.resolve(adapter.parse?.(body)))).toMatchObject({ code: '500', permanent: false })
  expect(await adapter.parse?.(body)).toMatchObject([{ text: 'hi', addressed: true }])
  await adapter.parse?.(body)
  expect(telegram.requests).toHaveLength(2)
})

test.each(['', 'nonsense', '[', 'null', '[]', '"x"'])('a body of %j is no update and no error', async (body) => {
  expect(await connect(new TestHost()).parse?.(body)).toEqual([])
})

test('a text is sent in its markup, with buttons, as a reply, in its topic, without previews', async () => {
  const buttons = ['Approve', 'Deny', 'Later'].map((label) => ({ label, value: label.toLowerCase() }))
  const part = { chat_id: '-1001234567890', thread_id: '77', reply_to: '5', text: '*Hi*', plain: 'Hi', buttons }
  const { message_id } = await send(part)
  expect(telegram.sent).toHaveLength(1)
  expect(telegram.sent[0]).toMatchObject({ message_id: Number(message_id), chat_id: -1_001_234_567_890, text: '*Hi*' })
  expect(telegram.sent[0]?.params).toMatchObject({
    parse_mode: 'MarkdownV2',
    message_thread_id: 77,
    reply_parameters: { message_id: 5, allow_sending_without_reply: true },
    link_preview_options: { is_disabled: true },
    reply_markup: {
      inline_keyboard: [
        [
          { text: 'Approve', callback_data: 'approve' },
          { text: 'Deny', callback_data: 'deny' },
        ],
        [{ text: 'Later', callback_data: 'later' }],
      ],
    },
  })
})

test('markup that Telegram does not take is sent plain, once', async () => {
  telegram.markupFault = () => 'character "." is reserved'
  await send({ text: 'a.b', plain: 'a.b plain' })
  expect(telegram.sent).toMatchObject([{ text: 'a.b plain' }])
  expect(telegram.sent[0]?.params.parse_mode).toBeUndefined()
  telegram.refuseNext(2, 400, 'Bad Request: whatever')
  expect(await refusalOf(send())).toMatchObject({ code: '400', permanent: true })
  expect(telegram.requests).toHaveLength(4)
})

test('a message is replaced; one that says so already is as good; one that is gone is sent anew', async () => {
  const { message_id } = await send({ text: 'draft' })
  expect(await send({ text: 'answer', replaces: message_id })).toEqual({ message_id })
  expect(await send({ text: 'answer', replaces: message_id })).toEqual({ message_id })
  expect(telegram.sent).toMatchObject([{ text: 'answer', former: ['draft'] }])
  const anew = await send({ text: 'answer', replaces: '999999', reply_to: '5' })
  expect(anew.message_id).not.toBe('999999')
  expect(telegram.sent).toHaveLength(2)
  expect(telegram.sent[1]?.params).toMatchObject({ reply_parameters: { message_id: 5 } })
})

test('an edit in markup that Telegram does not take is made plain', async () => {
  const { message_id } = await send({ text: 'draft' })
  telegram.markupFault = () => 'unclosed'
  expect(await send({ text: '*x', plain: 'x', replaces: message_id })).toEqual({ message_id })
  expect(telegram.sent).toMatchObject([{ text: 'x', former: ['draft'] }])
})

test('a draft is a message, then the same one changed', async () => {
  const adapter = connect(new TestHost())
  const draft = { chat_id: ada, thread_id: null, text: 'He', plain: 'He', message_id: null, reply_to: '5' }
  const first = await adapter.draft?.(draft, deadline())
  const message_id = first?.message_id ?? null
  expect(await adapter.draft?.({ ...draft, text: 'Hello', message_id }, deadline())).toEqual({ message_id })
  expect(await adapter.draft?.({ ...draft, text: 'Hello', message_id }, deadline())).toEqual({ message_id })
  expect(telegram.sent).toMatchObject([{ text: 'Hello', former: ['He'] }])
  telegram.refuseNext(1, 429, 'Too Many Requests: retry after 3', { parameters: { retry_after: 3 } })
  const limited = await refusalOf(adapter.draft?.({ ...draft, text: 'more', message_id }, deadline()))
  expect(limited).toMatchObject({ code: '429', permanent: false, retryAfterMs: 3_000 })
})

test.each([
  ['image/png', 'sendPhoto', 'photo'],
  ['image/svg+xml', 'sendDocument', 'document'],
  ['audio/mpeg', 'sendAudio', 'audio'],
  ['audio/wav', 'sendDocument', 'document'],
  ['video/mp4', 'sendVideo', 'video'],
  ['application/pdf', 'sendDocument', 'document'],
])('a file of %s goes by %s, with its name, bytes and caption', async (content_type, method) => {
  const host = new TestHost()
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
  const file = fileOf(host, { content_type, filename: 'Ümläut "q"; name=x.bin' }, bytes)
  await send({ text: '*see*', plain: 'see', file, reply_to: '5', thread_id: '9' }, host)
  expect(telegram.sent).toMatchObject([{ method, text: '*see*' }])
  expect(telegram.sent[0]?.params).toMatchObject({ parse_mode: 'MarkdownV2', reply_parameters: { message_id: 5 } })
  expect(telegram.sent[0]?.file?.filename).toBe('Ümläut "q"; name=x.bin')
  expect(telegram.sent[0]?.file?.bytes.equals(bytes)).toBe(true)
})

test('a file without a caption has none, and a caption in markup that is not taken is plain', async () => {
  const host = new TestHost()
  await send({ text: '', plain: '', file: fileOf(host, {}) }, host)
  expect(telegram.sent[0]?.params).not.toHaveProperty('caption')
  telegram.markupFault = () => 'unclosed'
  await send({ text: '*x', plain: 'x', file: fileOf(host, {}) }, host)
  expect(telegram.sent[1]).toMatchObject({ text: 'x' })
})

test('a picture that Telegram does not show is sent as a document', async () => {
  telegram.refuseNext(1, 400, 'Bad Request: PHOTO_INVALID_DIMENSIONS', { only: /sendPhoto/ })
  const host = new TestHost()
  await send({ text: '', file: fileOf(host, { content_type: 'image/png', filename: 'wide.png' }) }, host)
  expect(telegram.sent).toMatchObject([{ method: 'sendDocument', file: { filename: 'wide.png' } }])
})

test('a file that is too large is refused before a byte is sent', async () => {
  const host = new TestHost()
  const file = fileOf(host, { size_bytes: 60_000_000 })
  expect(await refusalOf(send({ file }, host))).toMatchObject({ code: 'file_too_large', permanent: true })
  expect(telegram.requests).toEqual([])
})

test('a file that can not be read fails as what it is, and nothing is sent', async () => {
  const host = new TestHost()
  const file = fileOf(host, {})
  const gone = new RuntimeError('not_found', 'The file is gone')
  const broken = {
    ...host.host,
    async *readFile() {
      yield Buffer.from('abc')
      throw gone
    },
  }
  const usual = { token: telegramToken, api_url: telegram.apiUrl, mode: 'polling', poll_timeout_seconds: 5 } as const
  const adapter = createTelegram({ ...usual, webhook_url: null, webhook_secret: null }, broken)
  expect(await refusalOf(adapter.send(outboundPart({ chat_id: ada, file }), deadline()))).toBe(gone)
  expect(telegram.sent).toEqual([])
})

test('a group that has become a supergroup is followed at once, and from then on', async () => {
  telegram.moved.set(-42, -1_000_042)
  const host = new TestHost()
  const adapter = connect(host)
  await adapter.send(outboundPart({ chat_id: '-42' }), deadline())
  await adapter.send(outboundPart({ chat_id: '-42', file: fileOf(host, {}) }), deadline())
  expect(telegram.sent.map(({ chat_id }) => chat_id)).toEqual([-1_000_042, -1_000_042])
  expect(telegram.requests).toHaveLength(3)
})

test.each([
  [429, { retry_after: 7 }, { permanent: false, retryAfterMs: 7_000 }],
  [401, {}, { permanent: true }],
  [403, {}, { permanent: true, retryAfterMs: null }],
  [404, {}, { permanent: true }],
  [500, {}, { permanent: false }],
  [502, {}, { permanent: false }],
])('code %i with %j: %j', async (code, parameters, outcome) => {
  telegram.refuseNext(1, code, 'permanent retry later blocked chat not found', { parameters })
  expect(await refusalOf(send())).toMatchObject({ name: 'PlatformError', code: String(code), ...outcome })
  expect(telegram.requests).toHaveLength(1)
})

test('blocked and unknown chats are refused for good', async () => {
  telegram.blocked.add(5)
  telegram.unknownChats.add(6)
  expect(await refusalOf(send({ chat_id: '5' }))).toMatchObject({ code: '403', permanent: true })
  expect(await refusalOf(send({ chat_id: '6' }))).toMatchObject({ code: '400', permanent: true })
})

test.each([
  { status: 502, body: '<html>bad gateway</html>' },
  { status: 200, body: 'null' },
  { status: 200, body: [] },
  { status: 200, body: { ok: true, result: { message_id: 'x' } } },
  { status: 200, body: { ok: false } },
  { status: 302, headers: { location: 'http://example.org/' }, body: '' },
  { status: 307, headers: { location: `http://example.org/bot${telegramToken}/x` }, body: '' },
  { status: 400, body: { ok: false, error_code: 400, description: `no method /bot${telegramToken}/x` } },
  'drop' as const,
])('the token stays out of what fails, and what is not said by Telegram may go better: %j', async (fault) => {
  const host = new TestHost()
  telegram.failNext(2, fault)
  const error = await refusalOf(send({}, host))
  const told = toldBy(error) + host.lines.join('\n')
  expect(told).not.toContain(telegramToken)
  expect(told).not.toContain('AAfake')
  expect(error).toMatchObject({ name: 'PlatformError', permanent: inspect(fault).includes('status: 400') })
})

test('where nobody listens, the error names neither the address nor the token', async () => {
  const closed = await FakeTelegram.start()
  await closed.close()
  const adapter = connect(new TestHost(), { api_url: closed.apiUrl })
  const errors = [
    await refusalOf(adapter.send(outboundPart({ chat_id: ada }), deadline())),
    await refusalOf(adapter.fetchMedia?.({ ref: 'x', kind: 'image', maxBytes: 10 }, deadline())),
    await follow(adapter).over,
  ]
  for (const error of errors) {
    expect(error).toMatchObject({ code: 'ECONNREFUSED', permanent: false })
    expect(toldBy(error)).not.toContain('AAfake')
  }
})

test.each(['send', 'poll'])('a request that hangs ends with its signal: %s', async (what) => {
  const adapter = connect(new TestHost())
  telegram.failNext(1, 'hang', what === 'send' ? /sendMessage/ : /getUpdates/)
  if (what === 'poll') {
    const { stop, over } = follow(adapter)
    while ((await once(telegram.events, 'request', { signal: deadline() }))[0] !== 'getUpdates');
    stop.abort()
    expect(await over).toBeNull()
  } else {
    const refusal = await refusalOnceStopped(telegram, (signal) => adapter.send(outboundPart({ chat_id: ada }), signal))
    expect(refusal).toMatchObject({ name: 'AbortError' })
  }
})

test.each(['@somebody', '../getMe', '', '1e3', '-', '9'.repeat(30)])('%j names no chat', async (chat_id) => {
  expect(await refusalOf(send({ chat_id }))).toMatchObject({ code: 'invalid_chat', permanent: true })
  expect(telegram.requests).toEqual([])
})

test('typing is shown in the chat and its topic', async () => {
  const adapter = connect(new TestHost())
  await adapter.typing?.({ chat_id: ada, thread_id: '3', message_id: null }, deadline())
  expect(telegram.actions).toEqual([{ chat_id: telegramUser.id, action: 'typing', message_thread_id: 3 }])
})

test('a file is fetched within its bound, from below the folder of the bot', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const bytes = Buffer.from('a picture of a cat')
  telegram.hostFile('f1', bytes, 'photos/file_1.jpg')
  const fetched = (ref: string, maxBytes = 100) =>
    adapter.fetchMedia?.({ ref, kind: 'image', maxBytes }, deadline()) ?? expect.unreachable()
  const media = await fetched('f1')
  expect(media.filename).toBe('file_1.jpg')
  expect(await bytesOf(media)).toEqual(bytes)
  await expect(fetched('f1', 5)).rejects.toMatchObject({ kind: 'too_large' })
  expect(await refusalOf(fetched('none'))).toMatchObject({ code: '400', permanent: true })
  for (const path of [
    '/etc/passwd',
    '../bot2/x',
    'a/../../x',
    'a//b',
    'https://example.org/x',
    'a%2e/..',
    '.x',
    'x?y',
  ]) {
    telegram.hostFile('evil', bytes, path)
    expect(await refusalOf(fetched('evil'))).toMatchObject({ code: 'file_path_refused', permanent: true })
  }
  expect(telegram.requests.filter(({ method }) => method === 'file')).toHaveLength(1)
})

test.each([
  { status: 404 },
  { status: 500 },
  { status: 302, headers: { location: 'http://example.org/x' } },
  'drop' as const,
])('a download that fails with %j does not tell the token', async (fault) => {
  telegram.hostFile('f1', Buffer.from('x'))
  telegram.failNext(1, fault, /^file$/)
  const error = await refusalOf(
    connect(new TestHost()).fetchMedia?.({ ref: 'f1', kind: 'image', maxBytes: 9 }, deadline()),
  )
  expect(toldBy(error)).not.toContain('AAfake')
})

test('check says who Keel is', async () => {
  expect(await connect(new TestHost()).check(deadline())).toEqual({ identity: '@Keel_Test_bot (7000000001)' })
})

test('no shape of an update breaks the reading', async () => {
  const adapter = connect(new TestHost())
  const message = {
    ...telegram.message({
      text: 'one',
      chat: telegramGroup,
      edit_date: 5,
      message_thread_id: 1,
      is_topic_message: true,
    }),
    ...{
      caption: 'c',
      sender_chat: telegramGroup,
      entities: [],
      caption_entities: [],
      reply_to_message: { from: telegramBot },
    },
    ...{ photo: [], audio: {}, voice: {}, video: {}, video_note: {}, animation: {}, document: {}, sticker: {} },
    ...{ location: {}, venue: {}, contact: {}, poll: {} },
  } as Record<string, unknown>
  const entity = { type: 'mention', offset: 0, length: 3, user: { id: 1 } }
  const query = { id: '1', from: telegramUser, message, data: 'v' } as Record<string, unknown>
  const shapes = hostileValues.flatMap((value) => [
    value,
    { update_id: value, message },
    ...['message', 'edited_message', 'channel_post', 'callback_query'].map((kind) => ({ update_id: 1, [kind]: value })),
    ...Object.keys(message).map((key) => ({ update_id: 1, message: { ...message, [key]: value } })),
    ...Object.keys(query).map((key) => ({ update_id: 1, callback_query: { ...query, [key]: value } })),
    ...Object.keys(entity).map((key) => ({
      update_id: 1,
      edited_message: { ...message, entities: [value, { ...entity, [key]: value }] },
    })),
    { update_id: 1, message: { ...message, photo: [value, { file_id: value }, { file_id: 'p', width: value }] } },
    { update_id: 1, message: { ...message, document: { file_id: 'd', file_name: value, mime_type: value } } },
  ])
  expect(shapes.length).toBeGreaterThan(30)
  for (const shape of shapes) {
    const { update } = readUpdate(shape, telegramBot)
    if (update) channelUpdate.parse(update)
    for (const one of (await adapter.parse?.(JSON.stringify(shape) ?? '')) ?? []) channelUpdate.parse(one)
  }
  const deep = `${'{"message":'.repeat(50_000)}1${'}'.repeat(50_000)}`
  expect(await adapter.parse?.(deep)).toEqual([])
  expect(await adapter.parse?.(`{"update_id":1,"message":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)).toEqual([])
})

test('hostile updates among the others do not stop the polling', async () => {
  for (const value of hostileValues) telegram.push({ message: value })
  telegram.say('the last')
  const host = new TestHost()
  const { over } = follow(connect(host))
  await Promise.race([host.until(() => host.updates.length === 1), over])
  expect(host.updates).toMatchObject([{ text: 'the last' }])
})

test('updates without an id are an error, not an endless question', async () => {
  telegram.pushRaw({ message: telegram.message({ text: 'x' }) })
  expect(await follow(connect(new TestHost())).over).toMatchObject({ code: 'unreadable_answer', permanent: false })
})
