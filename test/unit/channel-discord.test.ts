import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { InboundMessage } from '#sdk/channels/message.ts'
import { platforms } from '#sdk/channels/platforms.ts'
import type { Adapter } from '../../services/channels/adapter.ts'
import { readMessage, readPress } from '../../services/channels/adapters/discord/inbound.ts'
import { createDiscord } from '../../services/channels/adapters/discord.ts'
import { outboundPart, TestHost } from '../support/adapter-host.ts'
import {
  bytesOf,
  connectedTo,
  deadline,
  fileOf,
  follow,
  refusalOf,
  refusalOnceStopped,
  running,
  stopAll,
  toldBy,
} from '../support/adapter-scene.ts'
import { discordBotId, discordToken, FakeDiscord } from '../support/platforms/discord.ts'
import { hostileValues } from '../support/platforms/hostile-values.ts'

const channel = '300000000000000001'
const guild = '500000000000000001'

let discord: FakeDiscord

beforeEach(async () => {
  discord = await FakeDiscord.start()
})

afterEach(async () => {
  await stopAll()
  await discord.close()
})

function connect(host: TestHost, token = discordToken): Adapter {
  return createDiscord({ token, api_url: discord.apiUrl, application_id: discordBotId }, host.host)
}

function connected(host: TestHost): Promise<Adapter> {
  return connectedTo(host, connect(host))
}

test('identifies with the intents that let it read what is written', async () => {
  await connected(new TestHost())
  expect(discord.identified).toMatchObject([{ token: discordToken, intents: 37_377 }])
})

test('a message to the bot alone is direct, and comes with its files', async () => {
  const host = new TestHost()
  await connected(host)
  const url = 'https://cdn.discordapp.com/attachments/1/2/cat.png?ex=1'
  discord.say('Look', { attachments: [{ id: '9', url, filename: 'cat.png', content_type: 'image/png', size: 12 }] })
  await host.until(() => host.updates.length === 1)
  expect(host.updates[0]).toMatchObject({
    type: 'message',
    chat_id: channel,
    thread_id: null,
    chat_kind: 'direct',
    guild_id: null,
    sender_id: '200000000000000001',
    sender_name: 'Ada',
    text: 'Look',
    addressed: true,
    edited: false,
    attachments: [{ kind: 'image', ref: url, filename: 'cat.png', content_type: 'image/png', size_bytes: 12 }],
  })
})

test('in a server it is addressed by its id or by a reply to it, and by nothing else', async () => {
  const host = new TestHost()
  await connected(host)
  const at = { guild_id: guild }
  discord.say('hello all', at)
  discord.say(`<@${discordBotId}> /status`, { ...at, mentions: [{ id: discordBotId, username: 'keel' }] })
  discord.say('thanks', { ...at, type: 19, referenced_message: { id: '1', author: { id: discordBotId } } })
  discord.say('Keel, @keel', { ...at, mention_everyone: true, mentions: [{ id: '7', username: 'keel' }] })
  await host.until(() => host.updates.length === 4)
  const told = host.updates as InboundMessage[]
  expect(told.map(({ text, addressed }) => [text, addressed])).toEqual([
    ['hello all', false],
    ['/status', true],
    ['thanks', true],
    ['Keel, @keel', false],
  ])
  expect(told.every(({ chat_kind, guild_id }) => chat_kind === 'group' && guild_id === guild)).toBe(true)
})

test('bots, webhooks, the bot itself and notices are no updates; an edit is one, a preview of a link is not', async () => {
  const host = new TestHost()
  await connected(host)
  discord.say('beep', { author: { id: '6', username: 'other', bot: true } })
  discord.say('hook', { webhook_id: '8' })
  discord.say('mine', { author: { id: discordBotId, username: 'keel', bot: true } })
  discord.say('joined', { type: 7 })
  discord.say('')
  const said = discord.say('frist')
  discord.dispatch('MESSAGE_UPDATE', { ...said, embeds: [{ url: 'https://example.org' }] })
  discord.dispatch('MESSAGE_UPDATE', {
    ...said,
    content: 'first',
    edited_timestamp: '2026-03-01T10:00:00.000000+00:00',
  })
  await host.until(() => host.updates.length === 2)
  expect(host.updates).toMatchObject([
    { text: 'frist', edited: false },
    { text: 'first', edited: true, message_id: said.id, external_id: `${said.id}:2026-03-01T10:00:00.000Z` },
  ])
})

test('a pressed button is an update, and is answered to the presser alone', async () => {
  const host = new TestHost()
  const adapter = await connected(host)
  const { id, token } = discord.press('approve:1')
  await host.until(() => host.updates.length === 1)
  expect(host.updates[0]).toMatchObject({ type: 'press', value: 'approve:1', external_id: id, chat_id: channel })
  await adapter.answerPress?.({ external_id: id, text: 'Approved @everyone' }, deadline())
  const data = { content: 'Approved @everyone', flags: 64, allowed_mentions: { parse: [] } }
  expect(discord.answers).toEqual([{ interaction: id, token, body: { type: 4, data } }])
  const again = await refusalOf(adapter.answerPress?.({ external_id: id, text: '' }, deadline()) ?? Promise.resolve())
  expect(again).toMatchObject({ code: 'press_unknown', permanent: true })
})

test('what was written while the connection was down comes with the resume, once', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.connections > 0)
  discord.say('one')
  await host.until(() => host.updates.length === 1)
  discord.dropGateway()
  expect(await first.over).toMatchObject({ code: 'close_1006', permanent: false })
  discord.say('two')
  follow(adapter)
  await host.until(() => host.updates.length === 2)
  expect(host.updates.map((update) => 'text' in update && update.text)).toEqual(['one', 'two'])
  expect(discord.identified).toHaveLength(1)
})

test('another process resumes from the cursor alone', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const { stop, over } = follow(adapter)
  await host.until(() => host.connections > 0)
  discord.say('one')
  await host.until(() => host.updates.length === 1)
  stop.abort()
  expect(await over).toBeNull()
  discord.say('two')
  const next = new TestHost({ cursor: host.cursor })
  await connected(next)
  await next.until(() => next.updates.length === 1)
  expect(next.updates).toMatchObject([{ text: 'two' }])
  expect(discord.identified).toHaveLength(1)
  expect(discord.resumed).toEqual([2])
})

test('when the address to resume at is gone, the session is resumed at the general one', async () => {
  const host = new TestHost()
  const { stop, over } = follow(connect(host))
  await host.until(() => host.connections > 0 && host.cursor !== null)
  stop.abort()
  await over
  discord.say('meanwhile')
  const cursor = host.cursor?.replace(/ws:[^"]+/, 'ws://127.0.0.1:9/gateway') ?? null
  const next = new TestHost({ cursor })
  const adapter = connect(next)
  expect(await follow(adapter).over).toMatchObject({ code: 'close_1006', permanent: false })
  follow(adapter)
  await next.until(() => next.updates.length === 1)
  expect(discord.identified).toHaveLength(1)
})

test('however many channels speak, the cursor stays within its bound and remembers the latest', async () => {
  const host = new TestHost()
  await connected(host)
  const channels = Array.from({ length: 100 }, (_, index) => `1234567890123456${String(index).padStart(4, '0')}`)
  for (const channel_id of channels) discord.say('hello', { channel_id, guild_id: '12345678901234567890' })
  await host.until(() => host.updates.length === channels.length)
  expect(host.cursor?.length).toBeLessThanOrEqual(4_096)
  expect(host.cursor).toContain(channels.at(-1))
})

test.each(['', 'null', '{}', '[1]', '{"session":{"id":1},"seen":[]}', '{"session":null,"seen":"x"}'])(
  'a cursor that can not be read (%j) is a beginning',
  async (cursor) => {
    await connected(new TestHost({ cursor }))
    expect(discord.identified).toHaveLength(1)
  },
)

test('an event that could not be kept is replayed: the sequence does not pass it', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.cursor !== null)
  host.refusal = new Error('The store is full')
  discord.say('not lost')
  expect(await first.over).toBe(host.refusal)
  host.refusal = null
  follow(adapter)
  await host.until(() => host.updates.length === 1)
  expect(host.updates).toMatchObject([{ text: 'not lost' }])
  expect(discord.resumed).toEqual([1])
})

test('heartbeats acknowledge what is kept and no more', async () => {
  discord.heartbeatMs = 30
  const host = new TestHost()
  await connected(host)
  await host.until(() => host.cursor !== null)
  const held = Promise.withResolvers<void>()
  host.hold = held.promise
  discord.say('one')
  const before = discord.heartbeats.length
  while (discord.heartbeats.length < before + 4) await once(discord.events, 'heartbeat', { signal: deadline() })
  expect(discord.heartbeats.at(-1)).toBe(1)
  held.resolve()
  while (discord.heartbeats.at(-1) !== 2) await once(discord.events, 'heartbeat', { signal: deadline() })
  expect(host.updates).toHaveLength(1)
})

test('Discord may ask for a new connection, and gets it without a loss', async () => {
  const host = new TestHost()
  await connected(host)
  const resumed = once(discord.events, 'resumed', { signal: deadline() })
  discord.askToReconnect()
  await resumed
  discord.say('still here')
  await host.until(() => host.updates.length === 1)
  expect(discord.identified).toHaveLength(1)
})

test('when the session is gone, what was written meanwhile is fetched from the channels it knows', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.connections > 0)
  discord.say('one', { guild_id: guild })
  discord.say('elsewhere', { channel_id: '300000000000000002' })
  await host.until(() => host.updates.length === 2)
  discord.dropGateway()
  await first.over
  discord.forgetSessions()
  discord.unknownChannels.add('300000000000000002')
  discord.say('two', { guild_id: guild })
  discord.say('three', { guild_id: guild })
  // The resume is refused, which ends the stay; the next begins a new session.
  expect(await follow(adapter).over).toMatchObject({ permanent: false })
  follow(adapter)
  await host.until(() => host.updates.length === 4)
  const missed = host.updates.slice(2) as InboundMessage[]
  expect(missed.map(({ text, guild_id, chat_kind }) => [text, guild_id, chat_kind])).toEqual([
    ['two', guild, 'group'],
    ['three', guild, 'group'],
  ])
})

test.each([4004, 4010, 4011, 4012, 4013, 4014])('close code %i is for good, and says what to do', async (code) => {
  discord.closeOnIdentify = code
  const ended = await follow(connect(new TestHost())).over
  expect(ended).toMatchObject({ name: 'PlatformError', code: `close_${code}`, permanent: true })
  if (code === 4014) expect(String(ended)).toContain('Message Content intent')
})

test.each([1000, 4000, 4008, 4009])('close code %i is a lost connection', async (code) => {
  const host = new TestHost()
  const { over } = follow(connect(host))
  await host.until(() => host.connections > 0)
  discord.closeGateway(code)
  expect(await over).toMatchObject({ code: `close_${code}`, permanent: false })
})

test('a token that Discord does not take is named as such, and is in no error', async () => {
  const host = new TestHost()
  const secret = 'a-token-that-is-wrong-0123456789'
  const adapter = connect(host, secret)
  const calls = [
    () => adapter.check(deadline()),
    () => adapter.receive(deadline()),
    () => adapter.send(outboundPart({ chat_id: channel }), deadline()),
    () => adapter.send(outboundPart({ chat_id: channel }), deadline()),
  ]
  for (const call of calls) {
    const error = (await refusalOf(call())) as Error
    expect(error).toMatchObject({ code: 'http_401', permanent: true })
    expect(toldBy(error)).not.toContain(secret)
  }
  expect(host.lines.join()).not.toContain(secret)
})

test('stopping while the gateway does not say a word ends with nothing left open', async () => {
  discord.silentGateway = true
  const { stop, over } = follow(connect(new TestHost()))
  await once(discord.events, 'connected', { signal: deadline() })
  stop.abort()
  discord.dropGateway()
  expect(await over).toBeNull()
})

test('a message goes out once under its key, answers without insisting, and can call nobody', async () => {
  const adapter = connect(new TestHost())
  const part = outboundPart({ chat_id: channel, text: '@everyone <@1> <@&2> @here', reply_to: '400000000000000009' })
  discord.failNext(1, 'drop_after')
  await expect(adapter.send(part, deadline())).rejects.toThrow()
  const { message_id } = await adapter.send(part, deadline())
  expect(discord.sent).toHaveLength(1)
  expect(discord.sent[0]).toMatchObject({
    id: message_id,
    channel_id: channel,
    body: {
      content: part.text,
      enforce_nonce: true,
      allowed_mentions: { parse: [], replied_user: false },
      message_reference: { message_id: '400000000000000009', fail_if_not_exists: false },
    },
  })
  const nonce = discord.sent[0]?.nonce ?? ''
  expect(nonce.length).toBeLessThanOrEqual(25)
  await adapter.send({ ...part, key: 'delivery-1/1' }, deadline())
  expect(discord.sent).toHaveLength(2)
})

test('drafts are edited in place, and the answer takes the place of the draft or, if that is gone, stands alone', async () => {
  const adapter = connect(new TestHost())
  const chat = { chat_id: channel, thread_id: null, plain: '', reply_to: null }
  const draft = await adapter.draft?.({ ...chat, text: 'Thin', message_id: null }, deadline())
  const message_id = draft?.message_id ?? ''
  await adapter.draft?.({ ...chat, text: 'Thinking @everyone', message_id }, deadline())
  expect(discord.sent[0]?.body).toMatchObject({ allowed_mentions: { parse: [] } })
  const sent = await adapter.send(outboundPart({ chat_id: channel, text: 'Thought', replaces: message_id }), deadline())
  expect(sent.message_id).toBe(message_id)
  expect(discord.sent).toMatchObject([{ content: 'Thought', former: ['Thin', 'Thinking @everyone'] }])
  await adapter.send(outboundPart({ chat_id: channel, text: 'Said', replaces: '499999999999999999' }), deadline())
  expect(discord.sent).toMatchObject([{ content: 'Thought' }, { content: 'Said' }])
})

test('buttons come in rows of five', async () => {
  const adapter = connect(new TestHost())
  const buttons = Array.from({ length: 8 }, (_, index) => ({ label: `Choice ${index}`, value: `v${index}` }))
  await adapter.send(outboundPart({ chat_id: channel, buttons }), deadline())
  const rows = discord.sent[0]?.body.components as { components: { label: string; custom_id: string }[] }[]
  expect(rows.map(({ components }) => components.length)).toEqual([5, 3])
  expect(rows[1]?.components[2]).toMatchObject({ label: 'Choice 7', custom_id: 'v7' })
})

test('a file goes out with its name, type and bytes', async () => {
  const host = new TestHost()
  const bytes = Buffer.from('%PDF-1.7 not really')
  const file = fileOf(host, {}, bytes)
  await connect(host).send(outboundPart({ chat_id: channel, text: '', file }), deadline())
  expect(discord.sent[0]?.files).toEqual([{ filename: 'report.pdf', content_type: 'application/pdf', bytes }])
})

test('a file that Discord does not take is not sent', async () => {
  const host = new TestHost()
  const tooLarge = Buffer.alloc(platforms.discord.fileBytes + 1)
  const file = fileOf(host, { kind: 'video', filename: 'a.mp4', content_type: 'video/mp4' }, tooLarge)
  const part = outboundPart({ chat_id: channel, file })
  const error = await refusalOf(connect(host).send(part, deadline()))
  expect(error).toMatchObject({ code: 'file_too_large', permanent: true })
  expect(discord.requests).toEqual([])
})

test('a rate limit is told with how long to wait, and is not waited for here', async () => {
  const adapter = connect(new TestHost())
  const limited = { message: 'You are being rate limited.', retry_after: 7.5, global: false }
  discord.failNext(1, { status: 429, headers: { 'retry-after': '7.5' }, body: limited })
  const error = await refusalOf(adapter.send(outboundPart({ chat_id: channel }), deadline()))
  expect(error).toMatchObject({ code: 'rate_limited', permanent: false })
  expect((error as { retryAfterMs: number }).retryAfterMs).toBeGreaterThanOrEqual(7_500)
  expect(discord.requests).toHaveLength(1)
})

test.each([
  { status: 403, code: 50001, permanent: true },
  { status: 403, code: 50007, permanent: true },
  { status: 403, code: 50013, permanent: true },
  { status: 404, code: 10003, permanent: true },
  { status: 400, code: 50035, permanent: true },
  { status: 403, code: 40333, permanent: false },
  { status: 400, code: 20028, permanent: false },
])('code $code of HTTP $status: permanent is $permanent', async ({ status, code, permanent }) => {
  const adapter = connect(new TestHost())
  discord.failNext(1, { status, body: { message: 'Unauthorized permanent 403 Forbidden', code } })
  const error = await refusalOf(adapter.send(outboundPart({ chat_id: channel }), deadline()))
  expect(error).toMatchObject({ code: String(code), permanent })
})

test.each([
  { status: 500, body: 'oops' },
  { status: 503, body: '' },
  { status: 403, body: '<html>blocked</html>' },
  { status: 200, body: { message: 'fine' } },
  { status: 302, headers: { location: 'http://example.org/' }, body: '' },
  'drop' as const,
])('what is not said by Discord itself may go better: %j', async (fault) => {
  const adapter = connect(new TestHost())
  discord.failNext(1, fault)
  const error = await refusalOf(adapter.send(outboundPart({ chat_id: channel }), deadline()))
  expect((error as { permanent?: boolean }).permanent ?? false).toBe(false)
  await adapter.send(outboundPart({ chat_id: channel }), deadline())
  expect(discord.sent).toHaveLength(1)
})

test('a request that hangs ends with its signal', async () => {
  const adapter = connect(new TestHost())
  discord.failNext(1, 'hang')
  const refusal = await refusalOnceStopped(discord, (signal) =>
    adapter.send(outboundPart({ chat_id: channel }), signal),
  )
  expect(refusal).toMatchObject({ name: 'AbortError' })
})

test.each(['../users/@me', 'general', '', '1'.repeat(30)])('%j names no channel', async (chat_id) => {
  const adapter = connect(new TestHost())
  const error = await refusalOf(adapter.send(outboundPart({ chat_id }), deadline()))
  expect(error).toMatchObject({ code: 'invalid_chat', permanent: true })
  expect(discord.requests).toEqual([])
})

test('typing is shown in the channel', async () => {
  await connect(new TestHost()).typing?.({ chat_id: channel, thread_id: null, message_id: null }, deadline())
  expect(discord.requests).toEqual([`POST /channels/${channel}/typing`])
})

test('files come from Discord and the hosts that were named, and from nowhere else', async () => {
  const bytes = Buffer.from('a picture')
  const ref = discord.hostFile('cat.png', bytes, 'image/png')
  const fetched = (host: TestHost, from: string, maxBytes = 100) =>
    connect(host).fetchMedia?.({ ref: from, kind: 'image', maxBytes }, deadline()) ?? expect.unreachable()
  const named = new TestHost({ allowedHosts: [discord.host] })
  const media = await fetched(named, ref)
  expect(await bytesOf(media)).toEqual(bytes)
  expect(media.content_type).toBe('image/png')
  await expect(fetched(named, ref, 3)).rejects.toMatchObject({ kind: 'too_large' })
  await expect(fetched(new TestHost(), ref)).rejects.toMatchObject({ kind: 'forbidden' })
  await expect(fetched(new TestHost(), 'https://cdn.discordapp.com.example.org/x')).rejects.toMatchObject({
    kind: 'forbidden',
  })
  await expect(fetched(named, `http://${discord.host}/attachments/none`)).rejects.toMatchObject({ code: 'http_404' })
})

test('check says who Keel is', async () => {
  expect(await connect(new TestHost()).check(deadline())).toEqual({ identity: `keel (${discordBotId})` })
})

test('no shape of a message or an interaction breaks the reading', async () => {
  const host = new TestHost()
  await connected(host)
  const model = discord.say('one') as Record<string, unknown>
  const pressed = { id: '1', type: 3, token: 't', channel_id: channel, data: { custom_id: 'v' }, user: { id: '2' } }
  const shapes = [
    ...hostileValues,
    ...hostileValues.flatMap((value) => Object.keys(model).map((key) => ({ ...model, id: '77', [key]: value }))),
  ]
  const presses = hostileValues.flatMap((value) => Object.keys(pressed).map((key) => ({ ...pressed, [key]: value })))
  expect(shapes.length).toBeGreaterThan(30)
  for (const shape of shapes) {
    for (const edited of [true, false]) expect(() => readMessage(shape, discordBotId, { edited })).not.toThrow()
    discord.dispatch('MESSAGE_CREATE', shape)
    discord.dispatch('MESSAGE_UPDATE', shape)
  }
  for (const shape of [...hostileValues, ...presses]) {
    expect(() => readPress(shape)).not.toThrow()
    discord.dispatch('INTERACTION_CREATE', shape)
  }
  for (const frame of ['nonsense', '{"op":99,"d":null}', '{"op":0,"t":"NEW_EVENT","s":null,"d":null}']) {
    discord.frame(frame)
  }
  discord.say('the last', { id: '1999999999999999999' })
  await host.until(() => host.updates.some((update) => 'text' in update && update.text === 'the last'))
  expect(running).toHaveLength(1)
})
