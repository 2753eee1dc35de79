import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Adapter } from '../../services/channels/adapter.ts'
import { readSpoken } from '../../services/channels/adapters/matrix/inbound.ts'
import { createMatrix } from '../../services/channels/adapters/matrix.ts'
import { outboundPart, TestHost } from '../support/adapter-host.ts'
import {
  bytesOf,
  deadline,
  fileOf,
  follow,
  messagesOf,
  placedIn,
  refusalOf,
  refusalOnceStopped,
  stopAll,
  textsOf,
  toldBy,
} from '../support/adapter-scene.ts'
import { hostileValues } from '../support/platforms/hostile-values.ts'
import { FakeMatrix, matrixToken, matrixUser } from '../support/platforms/matrix.ts'

const direct = '!direct:localhost'
const group = '!group:localhost'
const ada = '@ada:localhost'
const bob = '@bob:localhost'

let matrix: FakeMatrix

beforeEach(async () => {
  matrix = await FakeMatrix.start()
  matrix.addRoom(direct)
  matrix.addRoom(group, [ada, bob])
})

afterEach(async () => {
  await stopAll()
  await matrix.close()
})

function connect(host: TestHost, token = matrixToken): Adapter {
  return createMatrix({ access_token: token, homeserver_url: matrix.url }, host.host)
}

function connected(host: TestHost): Promise<Adapter> {
  return placedIn(host, connect(host))
}

test('the first start takes nothing old, and everything after', async () => {
  matrix.say(direct, 'long ago')
  const host = new TestHost()
  await connected(host)
  const { event_id } = matrix.say(direct, 'now')
  await host.until(() => host.updates.length === 1)
  expect(host.updates[0]).toMatchObject({
    type: 'message',
    external_id: event_id,
    message_id: event_id,
    chat_id: direct,
    thread_id: null,
    chat_kind: 'direct',
    sender_id: ada,
    text: 'now',
    addressed: true,
    edited: false,
    attachments: [],
  })
})

test('in a room of more than two it is addressed by its id or by a reply to its own words, and by nothing else', async () => {
  const host = new TestHost()
  const adapter = await connected(host)
  const { message_id } = await adapter.send(outboundPart({ chat_id: group, text: 'Yes?', plain: 'Yes?' }), deadline())
  const reply = (id: string | null) => ({ 'm.relates_to': { 'm.in_reply_to': { event_id: id } } })
  const link = `<a href="https://matrix.to/#/${matrixUser}">Keel</a>`
  matrix.say(group, 'Keel, are you there?')
  matrix.say(group, { msgtype: 'm.text', body: 'Keel: /status', 'm.mentions': { user_ids: [matrixUser] } })
  matrix.say(group, { msgtype: 'm.text', body: 'Keel: /help', formatted_body: `${link}: /help` })
  matrix.say(group, { msgtype: 'm.text', body: 'quoted', formatted_body: `${link}`, 'm.mentions': {} })
  matrix.say(group, { msgtype: 'm.text', body: '> <@keel:localhost> Yes?\n\nThanks', ...reply(message_id) })
  const { event_id } = matrix.say(group, 'mine')
  matrix.say(group, { msgtype: 'm.text', body: 'to you', ...reply(event_id) }, { sender: bob })
  matrix.say(group, { msgtype: 'm.text', body: '@room', 'm.mentions': { room: true, user_ids: ['@keel:elsewhere'] } })
  await host.until(() => host.updates.length === 8)
  expect(messagesOf(host).map(({ text, addressed }) => [text, addressed])).toEqual([
    ['Keel, are you there?', false],
    ['Keel: /status', true],
    ['/help', true],
    ['quoted', false],
    ['Thanks', true],
    ['mine', false],
    ['to you', false],
    ['@room', false],
  ])
  expect(messagesOf(host).every(({ chat_kind }) => chat_kind === 'group')).toBe(true)
})

test('a reply to what it said before this process began is found out', async () => {
  const { event_id } = matrix.say(group, 'said by an earlier process', { sender: matrixUser })
  const host = new TestHost()
  await connected(host)
  matrix.say(group, { msgtype: 'm.text', body: 'ok', 'm.relates_to': { 'm.in_reply_to': { event_id } } })
  await host.until(() => host.updates.length === 1)
  expect(host.updates).toMatchObject([{ text: 'ok', addressed: true }])
})

test('a room stops being direct when a third comes', async () => {
  const host = new TestHost()
  await connected(host)
  matrix.say(direct, 'alone')
  await host.until(() => host.updates.length === 1)
  matrix.changeMember(direct, bob, 'join')
  matrix.say(direct, 'together')
  await host.until(() => host.updates.length === 2)
  expect(messagesOf(host).map(({ chat_kind, addressed }) => [chat_kind, addressed])).toEqual([
    ['direct', true],
    ['group', false],
  ])
})

test('notices, its own words, redacted messages and reactions are no updates', async () => {
  const host = new TestHost()
  await connected(host)
  matrix.say(direct, { msgtype: 'm.notice', body: 'beep' })
  matrix.say(direct, 'mine', { sender: matrixUser })
  matrix.say(direct, {})
  matrix.push(direct, { type: 'm.reaction', content: { 'm.relates_to': { rel_type: 'm.annotation', key: '👍' } } })
  matrix.say(direct, { msgtype: 'm.key.verification.request', body: 'verify' })
  matrix.say(direct, 'the last')
  await host.until(() => host.updates.length > 0)
  expect(textsOf(host)).toEqual(['the last'])
})

test('an edit replaces what its author said, in the thread where that stands; nobody edits the words of another', async () => {
  const host = new TestHost()
  await connected(host)
  const thread = { rel_type: 'm.thread', event_id: '$root' }
  const said = matrix.say(group, { msgtype: 'm.text', body: 'frist', 'm.relates_to': thread })
  const edit = (body: string) => ({
    msgtype: 'm.text',
    body: `* ${body}`,
    'm.new_content': { msgtype: 'm.text', body, 'm.mentions': { user_ids: [matrixUser] } },
    'm.relates_to': { rel_type: 'm.replace', event_id: said.event_id },
  })
  matrix.say(group, edit('forged'), { sender: bob })
  const { event_id } = matrix.say(group, edit('first'))
  await host.until(() => host.updates.length === 2)
  expect(host.updates).toMatchObject([
    { text: 'frist', thread_id: '$root', edited: false },
    {
      text: 'first',
      thread_id: '$root',
      edited: true,
      message_id: said.event_id,
      external_id: event_id,
      addressed: true,
    },
  ])
})

test('files come with what is known of them; a caption is the text, and a file name is none', async () => {
  const host = new TestHost()
  await connected(host)
  const url = matrix.hostFile('cat', Buffer.from('a picture'), 'image/png')
  const info = { mimetype: 'image/png', size: 9 }
  matrix.say(direct, { msgtype: 'm.image', body: 'cat.png', url, info })
  matrix.say(direct, { msgtype: 'm.file', body: 'Look', filename: 'cat.png', url, info })
  matrix.say(direct, { msgtype: 'm.image', body: 'secret.png', file: { url } })
  matrix.say(direct, 'the last')
  await host.until(() => textsOf(host).includes('the last'))
  const file = { kind: 'image', ref: url, filename: 'cat.png', content_type: 'image/png', size_bytes: 9 }
  expect(host.updates).toMatchObject([
    { text: '', attachments: [file] },
    { text: 'Look', attachments: [file] },
    { text: 'the last', attachments: [] },
  ])
})

test('an encrypted room is named once in the log, and an invitation is left to the operator', async () => {
  const host = new TestHost()
  await connected(host)
  matrix.push(group, { type: 'm.room.encrypted', content: { ciphertext: 'x' } })
  matrix.push(group, { type: 'm.room.encrypted', content: { ciphertext: 'y' } })
  matrix.invite('!trap:elsewhere', '@stranger:elsewhere')
  matrix.say(direct, 'one')
  await host.until(() => host.updates.length === 1)
  matrix.say(direct, 'two')
  await host.until(() => host.updates.length === 2)
  expect(host.lines.filter((line) => line.includes('encrypted'))).toHaveLength(1)
  expect(host.lines.filter((line) => line.includes('!trap:elsewhere'))).toHaveLength(1)
  expect(matrix.requests.filter((request) => request.includes('join') && !request.endsWith('joined_members'))).toEqual(
    [],
  )
})

test('another process goes on from the cursor: nothing is lost and nothing comes twice', async () => {
  const host = new TestHost()
  const first = follow(connect(host))
  await host.until(() => host.cursor !== null)
  matrix.say(direct, 'one')
  await host.until(() => host.updates.length === 1)
  const kept = host.cursor
  first.stop.abort()
  expect(await first.over).toBeNull()
  matrix.say(direct, 'two')
  const next = new TestHost({ cursor: kept })
  follow(connect(next))
  await next.until(() => next.updates.length > 0)
  expect(textsOf(next)).toEqual(['two'])
})

test('what could not be kept comes again', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.cursor !== null)
  host.refusal = new Error('The store is full')
  matrix.say(direct, 'not lost')
  expect(await first.over).toBe(host.refusal)
  host.refusal = null
  follow(adapter)
  await host.until(() => host.updates.length === 1)
  expect(textsOf(host)).toEqual(['not lost'])
})

test('more than one answer holds is fetched, in order; another account’s cursor and an unknown one begin anew', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.cursor !== null)
  first.stop.abort()
  await first.over
  const said = Array.from({ length: 250 }, (_, index) => `message ${index}`)
  for (const text of said) matrix.say(direct, text)
  const second = follow(adapter)
  await host.until(() => host.updates.length === said.length)
  expect(textsOf(host)).toEqual(said)
  second.stop.abort()
  await second.over
  for (const cursor of ['@other:localhost s1', `${matrixUser} nonsense`, 'nonsense']) {
    const anew = new TestHost({ cursor })
    follow(connect(anew))
    await anew.until(() => anew.cursor !== cursor)
    expect(anew.updates).toEqual([])
  }
})

test('what was said in a room before Keel was invited was not said to it', async () => {
  const host = new TestHost()
  await connected(host)
  const late = '!late:localhost'
  matrix.addRoom(late)
  for (let index = 0; index < 30; index++) matrix.say(late, `before ${index}`)
  matrix.changeMember(late, matrixUser, 'invite')
  matrix.say(late, 'Come in')
  matrix.changeMember(late, matrixUser, 'join', 'invite')
  for (let index = 0; index < 30; index++) matrix.say(late, `after ${index}`)
  await host.until(() => textsOf(host).includes('after 29'))
  expect(textsOf(host).slice(0, 2)).toEqual(['Come in', 'after 0'])
  expect(textsOf(host)).toHaveLength(31)
})

test('a message goes out once under its key, as text and markup, and calls nobody', async () => {
  const adapter = connect(new TestHost())
  const part = outboundPart({
    chat_id: group,
    text: '<b>@room</b>',
    plain: '@room',
    reply_to: '$asked',
    thread_id: '$root',
  })
  matrix.failNext(1, 'drop_after', /send/)
  await expect(adapter.send(part, deadline())).rejects.toMatchObject({ name: 'PlatformError', permanent: false })
  const { message_id } = await adapter.send(part, deadline())
  expect(matrix.sent).toHaveLength(1)
  expect(matrix.sent[0]).toMatchObject({
    room: group,
    event: {
      event_id: message_id,
      content: {
        msgtype: 'm.text',
        body: '@room',
        format: 'org.matrix.custom.html',
        formatted_body: '<b>@room</b>',
        'm.mentions': {},
        'm.relates_to': {
          rel_type: 'm.thread',
          event_id: '$root',
          is_falling_back: false,
          'm.in_reply_to': { event_id: '$asked' },
        },
      },
    },
  })
  await adapter.send({ ...part, key: 'delivery-1/1' }, deadline())
  expect(matrix.sent).toHaveLength(2)
})

test('drafts are edited in place, and the answer takes the place of the draft', async () => {
  const adapter = connect(new TestHost())
  const chat = { chat_id: direct, thread_id: null, reply_to: null }
  const draft = await adapter.draft?.({ ...chat, text: 'Thin', plain: 'Thin', message_id: null }, deadline())
  const message_id = draft?.message_id ?? ''
  await adapter.draft?.({ ...chat, text: 'Thinking', plain: 'Thinking', message_id }, deadline())
  const part = outboundPart({ chat_id: direct, text: '<i>Thought</i>', plain: 'Thought', replaces: message_id })
  expect(await adapter.send(part, deadline())).toEqual({ message_id })
  const relates = { rel_type: 'm.replace', event_id: message_id }
  expect(matrix.sent.map(({ event }) => event.content)).toMatchObject([
    { body: 'Thin' },
    { 'm.new_content': { body: 'Thinking' }, 'm.relates_to': relates },
    { 'm.new_content': { body: 'Thought', formatted_body: '<i>Thought</i>' }, 'm.relates_to': relates },
  ])
})

test('the longest text fits an event, markup, plain text, edit and all', async () => {
  const adapter = connect(new TestHost())
  const text = 'ä'.repeat(16_000)
  const { message_id } = await adapter.send(outboundPart({ chat_id: direct, text, plain: text }), deadline())
  await adapter.send(outboundPart({ chat_id: direct, text, plain: text, key: 'k2', replaces: message_id }), deadline())
  expect(matrix.sent[0]?.event.content).toMatchObject({ formatted_body: text })
  expect(matrix.sent[1]?.event.content).toMatchObject({ 'm.new_content': { formatted_body: text } })
})

test('a file is uploaded with its length, and sent with its caption', async () => {
  const host = new TestHost()
  const bytes = Buffer.from('%PDF-1.7 not really')
  const file = fileOf(host, { filename: 'a report.pdf' }, bytes)
  await connect(host).send(outboundPart({ chat_id: direct, text: '', plain: '', file }), deadline())
  const [upload] = matrix.uploads
  expect(upload).toMatchObject({ filename: 'a report.pdf', content_type: 'application/pdf', bytes })
  expect(matrix.sent[0]?.event.content).toMatchObject({
    msgtype: 'm.file',
    body: 'a report.pdf',
    url: upload?.uri,
    info: { mimetype: 'application/pdf', size: bytes.length },
  })
})

test('a file that can not be read is what the error says, and nothing is sent', async () => {
  const about = { kind: 'image', filename: 'x', content_type: 'image/png', size_bytes: 3, caption: null } as const
  const file = { delivery_id: 'none', index: 0, about }
  const part = outboundPart({ chat_id: direct, text: '', plain: '', file })
  const error = (await refusalOf(connect(new TestHost()).send(part, deadline()))) as Error
  expect(error.message).toBe('There is no such file')
  expect(matrix.sent).toEqual([])
})

test.each([
  { status: 403, errcode: 'M_FORBIDDEN', permanent: true },
  { status: 401, errcode: 'M_UNKNOWN_TOKEN', permanent: true },
  { status: 404, errcode: 'M_NOT_FOUND', permanent: true },
  { status: 413, errcode: 'M_TOO_LARGE', permanent: true },
  { status: 429, errcode: 'M_LIMIT_EXCEEDED', permanent: false },
  { status: 403, errcode: 'M_RESOURCE_LIMIT_EXCEEDED', permanent: false },
  { status: 500, errcode: 'M_UNKNOWN', permanent: false },
])('$errcode of HTTP $status: permanent is $permanent', async ({ status, errcode, permanent }) => {
  matrix.failNext(1, { status, body: { errcode, error: 'permanent 403 Forbidden' } })
  const error = await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id: direct }), deadline()))
  expect(error).toMatchObject({ name: 'PlatformError', code: errcode, permanent })
})

test.each([
  {
    body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 7_500 },
    headers: {} as Record<string, string>,
    expected: 7_500,
  },
  { body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1 }, headers: { 'retry-after': '9' }, expected: 9_000 },
  { body: { errcode: 'M_LIMIT_EXCEEDED' }, headers: {} as Record<string, string>, expected: null },
])('a rate limit says how long to wait: $expected ms', async ({ body, headers, expected }) => {
  matrix.failNext(1, { status: 429, body, headers })
  const error = await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id: direct }), deadline()))
  expect(error).toMatchObject({ permanent: false, retryAfterMs: expected })
})

test.each([
  { status: 502, body: '<html>bad gateway</html>' },
  { status: 403, body: '<html>blocked</html>' },
  { status: 302, headers: { location: 'http://example.org/' }, body: '' },
  { status: 200, body: { event_id: 7 } },
  'drop' as const,
])('what Matrix itself does not say may go better: %j', async (fault) => {
  const adapter = connect(new TestHost())
  matrix.failNext(1, fault)
  expect(await refusalOf(adapter.send(outboundPart({ chat_id: direct }), deadline()))).toMatchObject({
    permanent: false,
  })
  await adapter.send(outboundPart({ chat_id: direct }), deadline())
  expect(matrix.sent).toHaveLength(1)
})

test('a request that hangs ends with its signal', async () => {
  matrix.failNext(1, 'hang')
  const refusal = await refusalOnceStopped(matrix, (signal) =>
    connect(new TestHost()).send(outboundPart({ chat_id: direct }), signal),
  )
  expect(refusal).toMatchObject({ name: 'AbortError' })
})

test('a token that is not taken is named as such, and is in no error', async () => {
  const host = new TestHost()
  const secret = 'a-token-that-is-wrong-0123456789'
  const adapter = connect(host, secret)
  matrix.failNext(1, { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', error: `No ${secret}` } })
  for (const call of [
    () => adapter.check(deadline()),
    () => adapter.receive(deadline()),
    () => adapter.send(outboundPart({ chat_id: direct }), deadline()),
  ]) {
    const error = (await refusalOf(call())) as Error
    expect(error).toMatchObject({ code: 'M_UNKNOWN_TOKEN', permanent: true })
    expect(toldBy(error)).not.toContain(secret)
  }
  expect(host.lines.join()).not.toContain(secret)
})

test.each(['#alias:localhost', 'general', '', '../account', `!${'x'.repeat(300)}`])(
  '%j names no room',
  async (chat_id) => {
    expect(await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id }), deadline()))).toMatchObject({
      code: 'invalid_chat',
      permanent: true,
    })
    expect(matrix.requests).toEqual([])
  },
)

test('an id that would lead elsewhere stays within its place in the address', async () => {
  const odd = '!x/../../account?a=#b:localhost'
  matrix.addRoom(odd)
  await connect(new TestHost()).send(outboundPart({ chat_id: odd }), deadline())
  expect(matrix.sent).toMatchObject([{ room: odd }])
})

test('typing is shown in the room', async () => {
  await connect(new TestHost()).typing?.({ chat_id: direct, thread_id: null, message_id: null }, deadline())
  expect(matrix.typing).toMatchObject([{ room: direct, user: matrixUser, body: { typing: true } }])
})

test('files come from the homeserver alone, within their bounds', async () => {
  const bytes = Buffer.from('a picture')
  const ref = matrix.hostFile('cat', bytes, 'image/png')
  const adapter = connect(new TestHost())
  const fetched = (from: string, maxBytes = 100) =>
    adapter.fetchMedia?.({ ref: from, kind: 'image', maxBytes }, deadline()) ?? expect.unreachable()
  const media = await fetched(ref)
  expect(await bytesOf(media)).toEqual(bytes)
  expect(media.content_type).toBe('image/png')
  await expect(fetched(ref, 3)).rejects.toMatchObject({ kind: 'too_large' })
  await expect(fetched('mxc://localhost/none')).rejects.toMatchObject({ code: 'http_404', permanent: true })
  for (const elsewhere of ['https://example.org/x', 'mxc://../x', 'mxc://localhost/../x', `${matrix.url}/x`]) {
    await expect(fetched(elsewhere)).rejects.toMatchObject({ code: 'invalid_media' })
  }
})

test('a homeserver that goes away and comes back is a lost connection, and nothing is lost', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.cursor !== null)
  matrix.failNext(1, 'drop', /sync/)
  matrix.say(direct, 'one')
  expect(await first.over).toMatchObject({ name: 'PlatformError', permanent: false })
  matrix.say(direct, 'two')
  follow(adapter)
  await host.until(() => textsOf(host).includes('two'))
  expect(textsOf(host)).toEqual(['one', 'two'])
})

test('check says who Keel is', async () => {
  expect(await connect(new TestHost()).check(deadline())).toEqual({ identity: matrixUser })
})

test('no shape of an event breaks the reading', async () => {
  const host = new TestHost()
  const { stop, over } = follow(connect(host))
  await host.until(() => host.cursor !== null)
  const content = { msgtype: 'm.text', body: 'hello', formatted_body: '<b>hello</b>', url: 'mxc://localhost/x' }
  const relations = { 'm.relates_to': { rel_type: 'm.replace', event_id: '$1-event' }, 'm.new_content': content }
  const model = { event_id: '$77', type: 'm.room.message', sender: ada, origin_server_ts: 1, content }
  const shapes = hostileValues.flatMap((value) => [
    value,
    ...Object.keys(model).map((key) => ({ ...model, [key]: value })),
    ...Object.keys({ ...content, ...relations, info: 0, filename: 0, 'm.mentions': 0 }).flatMap((key) => [
      { ...model, content: { ...content, [key]: value } },
      { ...model, content: { ...content, ...relations, [key]: value } },
      { ...model, content: { ...content, msgtype: 'm.image', [key]: value } },
    ]),
  ])
  expect(shapes.length).toBeGreaterThan(300)
  for (const shape of shapes) {
    expect(() => readSpoken(shape, matrixUser)).not.toThrow()
    const isObject = typeof shape === 'object' && shape !== null
    matrix.push(direct, isObject ? { ...shape } : { type: shape })
  }
  const synced = [null, 7, 'x', [], { rooms: 1 }, { next_batch: 1 }, { next_batch: '' }]
  for (const rooms of hostileValues) {
    matrix.failNext(1, { status: 200, body: { next_batch: 's1', rooms } }, /sync/)
    matrix.failNext(1, { status: 200, body: { next_batch: 's1', rooms: { join: { [direct]: rooms } } } }, /sync/)
    matrix.failNext(1, { status: 200, body: { next_batch: 's1', rooms: { join: rooms, invite: rooms } } }, /sync/)
  }
  matrix.say(direct, 'the last')
  await host.until(() => textsOf(host).includes('the last'))
  stop.abort()
  expect(await over).toBeNull()
  for (const body of synced) {
    const broken = new TestHost()
    matrix.failNext(1, { status: 200, body }, /sync/)
    expect(await follow(connect(broken)).over).toMatchObject({ code: 'unreadable_answer', permanent: false })
  }
})
