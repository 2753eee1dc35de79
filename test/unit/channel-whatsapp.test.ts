import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ChannelUpdate, channelUpdate } from '#sdk/channels/message.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { Adapter, OutboundPart } from '../../services/channels/adapter.ts'
import { createWhatsapp } from '../../services/channels/adapters/whatsapp.ts'
import { outboundPart, TestHost } from '../support/adapter-host.ts'
import { bytesOf, deadline, fileOf, refusalOf, refusalOnceStopped, toldBy } from '../support/adapter-scene.ts'
import { startHookReceiver } from '../support/hook-receiver.ts'
import { hostileValues } from '../support/platforms/hostile-values.ts'
import {
  FakeWhatsapp,
  whatsappAppSecret,
  whatsappPerson,
  whatsappPhoneId,
  whatsappToken,
} from '../support/platforms/whatsapp.ts'

const messagesPath = `/${whatsappPhoneId}/messages`

let whatsapp: FakeWhatsapp

beforeEach(async () => {
  whatsapp = await FakeWhatsapp.start()
})

afterEach(async () => {
  await whatsapp.close()
})

function connect(host = new TestHost(), token = whatsappToken): Adapter {
  return createWhatsapp({ token, api_url: whatsapp.apiUrl, phone_number_id: whatsappPhoneId }, host.host)
}

/** WhatsApp's webhooks are read without a question to anybody. */
function read(body: string): ChannelUpdate[] {
  const updates = connect().parse?.(body)
  return Array.isArray(updates) ? updates : expect.unreachable('It was not read at once')
}

function send(part: Partial<OutboundPart> = {}, host = new TestHost()): Promise<{ message_id: string | null }> {
  return connect(host).send(outboundPart({ chat_id: whatsappPerson, ...part }), deadline())
}

function buttonsOf(...labels: string[]) {
  return labels.map((label, index) => ({ label, value: `choice:${index}` }))
}

test('a text is an update, under its own id, by the number of who sent it', () => {
  const [update] = read(whatsapp.say('Hello', { timestamp: '1800000000' }))
  expect(update).toEqual({
    type: 'message',
    external_id: 'wamid.in.1',
    message_id: 'wamid.in.1',
    chat_id: whatsappPerson,
    thread_id: null,
    chat_kind: 'direct',
    guild_id: null,
    sender_id: whatsappPerson,
    sender_name: 'Ada',
    text: 'Hello',
    addressed: true,
    edited: false,
    attachments: [],
    sent_at: '2027-01-15T08:00:00.000Z',
  })
})

test('every entry, change and message of a batch is read, in order', () => {
  const texts = (...bodies: string[]) => bodies.map((body) => whatsapp.message({ type: 'text', text: { body } }))
  const body = whatsapp.pushBody({
    object: 'whatsapp_business_account',
    entry: [
      { id: '1', changes: [whatsapp.change({ messages: texts('a', 'b') }), whatsapp.change({ messages: texts('c') })] },
      {
        id: '2',
        changes: [{ field: 'account_update', value: { event: 'X' } }, whatsapp.change({ messages: texts('d') })],
      },
      { id: '3', changes: [whatsapp.change({ statuses: [{ id: 'wamid.out.1', status: 'read' }] })] },
    ],
  })
  expect(read(body).map((update) => ('text' in update ? update.text : update.type))).toEqual([
    'a',
    'b',
    'c',
    'd',
    'receipt',
  ])
})

test('what is said to another number of the same account is not for this one', () => {
  const metadata = { display_phone_number: '1', phone_number_id: '999' }
  expect(
    read(whatsapp.push({ metadata, messages: [whatsapp.message({ type: 'text', text: { body: 'x' } })] })),
  ).toEqual([])
})

test.each([
  { type: 'reaction', reaction: { message_id: 'wamid.x', emoji: '👍' } },
  { type: 'system', system: { body: 'Ada changed from 1 to 2', wa_id: '2', type: 'customer_changed_number' } },
  { type: 'unsupported', errors: [{ code: 131051, title: 'Message type unknown' }] },
  { type: 'text', text: { body: '  ' } },
  { type: 'text', text: { body: 'to the group' }, group_id: 'g1' },
  { type: 'text', text: { body: 'x' }, from: 'ada' },
  { type: 'something_new', something_new: { body: 'x' } },
])('%j is no update', (fields) => {
  expect(read(whatsapp.push({ messages: [whatsapp.message(fields)] }))).toEqual([])
})

test.each([
  [
    'image',
    { id: '11', mime_type: 'image/png', caption: 'Look' },
    { kind: 'image', content_type: 'image/png' },
    'Look',
  ],
  ['audio', { id: '12', mime_type: 'audio/ogg; codecs=opus', voice: true }, { kind: 'audio' }, ''],
  ['video', { id: '13', mime_type: 'video/mp4' }, { kind: 'video' }, ''],
  [
    'document',
    { id: '14', mime_type: 'application/pdf', filename: 'a.pdf', caption: 'Read' },
    { kind: 'document', filename: 'a.pdf' },
    'Read',
  ],
  ['document', { id: '15' }, { kind: 'document', content_type: null, filename: null }, ''],
  ['sticker', { id: '16', mime_type: 'image/webp', animated: false }, { kind: 'image' }, ''],
])('%s %j is an attachment', (type, media, attachment, text) => {
  const [update] = read(whatsapp.push({ messages: [whatsapp.message({ type, [type]: media })] }))
  expect(update).toMatchObject({ type: 'message', text, attachments: [{ ref: media.id, ...attachment }] })
})

test.each([
  [
    { type: 'location', location: { latitude: 1.5, longitude: 2, name: 'Home', address: 'Main St' } },
    'Location: 1.5, 2 (Home, Main St)',
  ],
  [
    { type: 'contacts', contacts: [{ name: { formatted_name: 'Al T' }, phones: [{ phone: '+44 1', type: 'HOME' }] }] },
    'Contact: Al T, +44 1',
  ],
  [{ type: 'interactive', interactive: { type: 'list_reply', list_reply: { id: 'x', title: 'Second' } } }, 'Second'],
  [
    {
      type: 'interactive',
      interactive: { type: 'button_reply', button_reply: { id: 'not a value!', title: 'Maybe' } },
    },
    'Maybe',
  ],
  [{ type: 'button', button: { payload: 'Yes, please', text: 'Yes, please' } }, 'Yes, please'],
])('%j is said in words', (fields, text) => {
  expect(read(whatsapp.push({ messages: [whatsapp.message(fields)] }))).toMatchObject([{ type: 'message', text }])
})

test('a pressed button is a press, with the message under which it was', async () => {
  const { message_id } = await send({ buttons: buttonsOf('Approve', 'Deny') })
  expect(read(whatsapp.press('choice:1', 'Deny'))).toMatchObject([
    {
      type: 'press',
      value: 'choice:1',
      message_id,
      chat_id: whatsappPerson,
      sender_id: whatsappPerson,
      sender_name: 'Ada',
    },
  ])
  const template = { type: 'button', button: { payload: 'approve:7', text: 'Approve' }, context: { id: 'wamid.o' } }
  expect(read(whatsapp.push({ messages: [whatsapp.message(template)] }))).toMatchObject([
    { type: 'press', value: 'approve:7', message_id: 'wamid.o' },
  ])
})

test('what becomes of a message is a receipt; that it was sent is none', () => {
  expect(read(whatsapp.report('wamid.out.1', 'sent'))).toEqual([])
  expect(read(whatsapp.report('wamid.out.1', 'delivered'))).toEqual([
    {
      type: 'receipt',
      external_id: 'wamid.out.1:delivered',
      message_id: 'wamid.out.1',
      status: 'delivered',
      error: null,
    },
  ])
  expect(
    read(whatsapp.report('wamid.out.1', 'failed', [{ code: 131047, title: 'Re-engagement message' }])),
  ).toMatchObject([{ status: 'failed', error: expect.stringMatching(/24 hours.*\(131047\)/) }])
  expect(read(whatsapp.report('wamid.out.1', 'failed', [{ code: 131999, title: 'New' }]))).toMatchObject([
    { error: 'WhatsApp refused: New (131999)' },
  ])
})

test('a webhook comes signed over its bytes, and again until it is taken', async () => {
  const hook = await startHookReceiver()
  try {
    hook.refuseNext(503)
    whatsapp.webhookUrl = hook.url
    whatsapp.say('Grüße')
    const first = await hook.next()
    const { headers, body } = await hook.next()
    expect(body).toBe(first.body)
    const signature = createHmac('sha256', whatsappAppSecret).update(body).digest('hex')
    expect(headers['x-hub-signature-256']).toBe(`sha256=${signature}`)
    expect(read(body)).toMatchObject([{ text: 'Grüße' }])
  } finally {
    await hook.close()
  }
})

test('it stands once WhatsApp knows its number, and ends with its signal', async () => {
  const host = new TestHost()
  const stop = new AbortController()
  const over = connect(host).receive(stop.signal)
  await host.until(() => host.connections === 1)
  stop.abort()
  await over
  expect(whatsapp.requests).toEqual([`GET /${whatsappPhoneId}`])
  await expect(connect(host, 'another').receive(deadline())).rejects.toMatchObject({ code: '190', permanent: true })
})

test('a text is sent as a reply, without previews', async () => {
  expect(await send({ text: '*Hi*', reply_to: 'wamid.in.1' })).toEqual({ message_id: whatsapp.sent[0]?.id })
  expect(whatsapp.sent[0]?.body).toEqual({
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    to: whatsappPerson,
    context: { message_id: 'wamid.in.1' },
    type: 'text',
    text: { body: '*Hi*', preview_url: false },
  })
})

test('up to three short buttons are buttons', async () => {
  await send({ text: 'Choose', buttons: buttonsOf('Approve', 'Deny', 'Approve everything from now on') })
  expect(whatsapp.sent[0]).toMatchObject({ type: 'interactive', text: 'Choose' })
  expect(whatsapp.sent[0]?.body).toMatchObject({
    interactive: {
      action: {
        buttons: [
          { type: 'reply', reply: { id: 'choice:0', title: 'Approve' } },
          { type: 'reply', reply: { id: 'choice:1', title: 'Deny' } },
          { type: 'reply', reply: { id: 'choice:2', title: 'Approve everything f' } },
        ],
      },
    },
  })
})

test.each([
  ['four', { text: 'Choose', buttons: buttonsOf('a', 'b', 'c', 'd') }],
  [
    'two whose titles would be the same',
    { text: 'Choose', buttons: buttonsOf(`${'x'.repeat(20)}1`, `${'x'.repeat(20)}2`) },
  ],
  ['one under a long text', { text: 'é'.repeat(1_025), buttons: buttonsOf('a') }],
])('%s are listed in the text', async (_, part) => {
  await send(part)
  expect(whatsapp.sent[0]?.type).toBe('text')
  for (const { label, value } of part.buttons) expect(whatsapp.sent[0]?.text).toContain(`• ${label}: ${value}`)
})

test.each([
  ['image/png', 'see', { type: 'image' }, { caption: 'see' }],
  ['audio/ogg', '', { type: 'audio' }, {}],
  ['audio/ogg', 'listen', { type: 'document' }, { caption: 'listen', filename: 'a "b"; c=ü.bin' }],
  ['video/mp4', '', { type: 'video' }, {}],
  ['application/pdf', '', { type: 'document' }, { filename: 'a "b"; c=ü.bin' }],
])('a file of %s with the caption %j is uploaded, then sent', async (content_type, text, sent, content) => {
  const host = new TestHost()
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
  const file = fileOf(host, { content_type, filename: 'a "b"; c=ü.bin' }, bytes)
  await send({ text, file, reply_to: 'wamid.in.1' }, host)
  const [message] = whatsapp.sent
  expect(message).toMatchObject({ ...sent, text })
  expect(message?.body).toMatchObject({ context: { message_id: 'wamid.in.1' } })
  expect(message?.body[sent.type]).toEqual({ id: expect.any(String), ...content })
  expect(message?.file).toMatchObject({ filename: 'a "b"; c=ü.bin', content_type })
  expect(message?.file?.fields).toEqual({ messaging_product: 'whatsapp', type: content_type })
  expect(message?.file?.bytes.equals(bytes)).toBe(true)
  expect(message?.file?.content_length).toBeGreaterThan(bytes.byteLength)
})

test('a name or a type can not break out of the head of its part', async () => {
  const host = new TestHost()
  const file = fileOf(host, { filename: 'x"\r\n\r\nevil\r\n--b', content_type: 'text/plain\r\nx-evil: 1' })
  await send({ text: '', file }, host)
  expect(whatsapp.sent[0]?.file?.bytes.toString()).toBe('12345')
})

test('a file that is too large is refused before a byte is sent; one that can not be read fails as itself', async () => {
  const host = new TestHost()
  const large = fileOf(host, { size_bytes: 17_000_000 })
  expect(await refusalOf(send({ file: large }, host))).toMatchObject({ code: 'file_too_large', permanent: true })
  expect(whatsapp.requests).toEqual([])
  const gone = new RuntimeError('not_found', 'The file is gone')
  const broken = {
    ...host.host,
    async *readFile() {
      yield Buffer.from('abc')
      throw gone
    },
  }
  const settings = { token: whatsappToken, api_url: whatsapp.apiUrl, phone_number_id: whatsappPhoneId }
  const part = outboundPart({ chat_id: whatsappPerson, file: fileOf(host, {}) })
  expect(await refusalOf(createWhatsapp(settings, broken).send(part, deadline()))).toBe(gone)
  expect(whatsapp.sent).toEqual([])
})

test.each([
  [400, { code: 131047 }, { permanent: true, message: expect.stringMatching(/24 hours/) }],
  [400, { code: 131026 }, { permanent: true }],
  [400, { code: 131051 }, { permanent: true }],
  [400, { code: 100, message: 'retry later, temporary' }, { permanent: true }],
  [401, { code: 190 }, { permanent: true, message: expect.stringMatching(/access token/) }],
  [403, { code: 10 }, { permanent: true }],
  [400, { code: 4 }, { permanent: false }],
  [400, { code: 80007 }, { permanent: false }],
  [400, { code: 130429 }, { permanent: false }],
  [400, { code: 131056 }, { permanent: false }],
  [429, { code: 999 }, { permanent: false }],
  [500, { code: 131000 }, { permanent: false }],
  [503, { code: 999 }, { permanent: false }],
  [400, { code: 100, is_transient: true }, { permanent: false }],
])('HTTP %i with %j: %j', async (status, error, outcome) => {
  whatsapp.refuseNext(1, status, error)
  expect(await refusalOf(send())).toMatchObject({ name: 'PlatformError', code: String(error.code), ...outcome })
  expect(whatsapp.requests).toHaveLength(1)
})

test('how long to wait is told where WhatsApp says so', async () => {
  const body = { error: { code: 4, message: 'limit' } }
  whatsapp.failNext(1, { status: 429, headers: { 'retry-after': '9' }, body })
  expect(await refusalOf(send())).toMatchObject({ code: '4', retryAfterMs: 9_000 })
})

test.each([
  { status: 502, body: '<html>bad gateway</html>' },
  { status: 403, body: '<html>blocked</html>' },
  { status: 200, body: 'null' },
  { status: 200, body: { messages: [] } },
  { status: 200, body: { messages: [{ id: 5 }] } },
  { status: 400, body: { error: 'x' } },
  { status: 302, headers: { location: 'http://example.org/' }, body: '' },
  'drop' as const,
])('what is not said by WhatsApp itself may go better: %j', async (fault) => {
  whatsapp.failNext(1, fault)
  expect(await refusalOf(send())).toMatchObject({ name: 'PlatformError', permanent: false })
  await send()
  expect(whatsapp.sent).toHaveLength(1)
})

test('the token stays out of what fails', async () => {
  const host = new TestHost()
  const errors: unknown[] = []
  whatsapp.refuseNext(1, 400, { code: 100, message: `Malformed access token ${whatsappToken}` })
  errors.push(await refusalOf(send({}, host)))
  whatsapp.failNext(1, 'drop')
  errors.push(await refusalOf(send({}, host)))
  errors.push(await refusalOf(connect(host, `a\n${whatsappToken}`).check(deadline())))
  const closed = await FakeWhatsapp.start()
  await closed.close()
  const settings = { token: whatsappToken, api_url: closed.apiUrl, phone_number_id: whatsappPhoneId }
  errors.push(await refusalOf(createWhatsapp(settings, host.host).check(deadline())))
  expect(errors.at(-1)).toMatchObject({ code: 'ECONNREFUSED', permanent: false })
  const told = errors.map(toldBy).join('\n') + host.lines.join('\n')
  expect(told).not.toContain(whatsappToken)
})

test('a request that hangs ends with its signal', async () => {
  whatsapp.failNext(1, 'hang')
  const refusal = await refusalOnceStopped(whatsapp, (signal) =>
    connect().send(outboundPart({ chat_id: whatsappPerson }), signal),
  )
  expect(refusal).toMatchObject({ name: 'AbortError' })
})

test.each(['ada', '', '../1', '12', '9'.repeat(30), '1234567/media'])('%j names no person', async (chat_id) => {
  expect(await refusalOf(send({ chat_id }))).toMatchObject({ code: 'invalid_chat', permanent: true })
  expect(whatsapp.requests).toEqual([])
})

test('typing marks what is answered as read; without a message there is nothing to show', async () => {
  const adapter = connect()
  const chat = { chat_id: whatsappPerson, thread_id: null }
  await adapter.typing?.({ ...chat, message_id: 'wamid.in.1' }, deadline())
  await adapter.typing?.({ ...chat, message_id: null }, deadline())
  expect(whatsapp.reads).toEqual([{ message_id: 'wamid.in.1', typing: true }])
  expect(whatsapp.requests).toEqual([`POST ${messagesPath}`])
})

test('a file is fetched in two steps, within its bound, from Meta and the API itself alone', async () => {
  const bytes = Buffer.from('a picture of a cat')
  whatsapp.hostMedia('55', bytes, 'image/jpeg')
  const fetched = (ref: string, maxBytes = 100) => connect().fetchMedia?.({ ref, kind: 'image', maxBytes }, deadline())
  const media = (await fetched('55')) ?? expect.unreachable()
  expect(media.content_type).toBe('image/jpeg')
  expect(await bytesOf(media)).toEqual(bytes)
  expect(await refusalOf(fetched('55', 5))).toMatchObject({ kind: 'too_large' })
  expect(await refusalOf(fetched('56'))).toMatchObject({ code: '100', permanent: true })
  expect(await refusalOf(fetched('../me'))).toMatchObject({ code: 'invalid_media', permanent: true })
  const other = await FakeWhatsapp.start()
  try {
    for (const origin of [`http://${other.host}`, 'https://lookaside.fbsbx.com.example.org', 'https://example.org']) {
      whatsapp.mediaOrigin = origin
      expect(await refusalOf(fetched('55'))).toMatchObject({ kind: 'forbidden' })
    }
    expect(other.requests).toEqual([])
  } finally {
    await other.close()
  }
})

test('check says who Keel is', async () => {
  expect(await connect().check(deadline())).toEqual({ identity: `Keel, +1 555-078-3881 (${whatsappPhoneId})` })
})

test('no shape of a webhook breaks the reading, nor what stands beside it', () => {
  const message = whatsapp.message({
    type: 'text',
    text: { body: 'one' },
    ...{ context: {}, button: {}, interactive: {}, image: {}, audio: {}, video: {}, document: {}, sticker: {} },
    ...{ location: {}, contacts: [] },
  })
  const status = { id: 'wamid.out.1', status: 'failed', errors: [{ code: 1, title: 'x' }] } as Record<string, unknown>
  const good = whatsapp.message({ type: 'text', text: { body: 'good' } })
  const bodies = hostileValues.flatMap((value) => [
    value,
    { entry: value },
    { entry: [value] },
    { entry: [{ changes: value }] },
    { entry: [{ changes: [value, { field: 'messages', value }] }] },
  ])
  const values = hostileValues.flatMap((value) => [
    { contacts: value },
    { contacts: [value, { wa_id: value, profile: value }] },
    { statuses: value },
    ...Object.keys(status).map((key) => ({ statuses: [{ ...status, [key]: value }] })),
    ...Object.keys(message).map((key) => ({ messages: [{ ...message, [key]: value }, good] })),
    ...['text', 'image', 'interactive', 'contacts', 'location'].map((key) => ({
      messages: [{ ...message, [key]: { id: value, body: value, button_reply: value, latitude: value } }, value, good],
    })),
  ])
  expect(bodies.length + values.length).toBeGreaterThan(30)
  for (const body of bodies) expect(read(JSON.stringify(body) ?? '')).toEqual([])
  for (const value of values) {
    const updates = read(whatsapp.push(value))
    for (const update of updates) channelUpdate.parse(update)
    if ('messages' in value) expect(updates.at(-1)).toMatchObject({ text: 'good' })
  }
  const deep = `{"entry":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
  for (const body of ['', 'nonsense', '[', deep]) expect(read(body)).toEqual([])
})
