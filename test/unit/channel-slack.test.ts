import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ChannelUpdate, channelBounds, type InboundMessage } from '#sdk/channels/message.ts'
import type { Adapter } from '../../services/channels/adapter.ts'
import { createSlack } from '../../services/channels/adapters/slack.ts'
import { outboundPart, TestHost } from '../support/adapter-host.ts'
import {
  bytesOf,
  connectedTo,
  deadline,
  fileOf,
  follow,
  refusalOf,
  refusalOnceStopped,
  stopAll,
  textsOf,
  toldBy,
} from '../support/adapter-scene.ts'
import { hostileValues } from '../support/platforms/hostile-values.ts'
import { FakeSlack, slackAppToken, slackBotToken, slackBotUser, slackTeam } from '../support/platforms/slack.ts'

const channel = 'C0GENERAL'

let slack: FakeSlack

beforeEach(async () => {
  slack = await FakeSlack.start()
})

afterEach(async () => {
  await stopAll()
  await slack.close()
})

function connect(
  host: TestHost,
  { bot_token = slackBotToken, app_token = slackAppToken as string | null } = {},
): Adapter {
  return createSlack({ bot_token, app_token, api_url: slack.apiUrl }, host.host)
}

/** Slack's webhooks are read without a question to anybody. */
function readAtOnce(body: string): ChannelUpdate[] {
  const updates = connect(new TestHost()).parse?.(body)
  return Array.isArray(updates) ? updates : expect.unreachable('It was not read at once')
}

function connected(host: TestHost): Promise<Adapter> {
  return connectedTo(host, connect(host))
}

test('a direct message comes by Socket Mode and is acknowledged once it is kept', async () => {
  const host = new TestHost()
  await connected(host)
  const envelope = slack.deliver(slack.message('Hello', { ts: '1772000000.000100' }))
  await once(slack.events, 'acknowledged', { signal: deadline() })
  expect(host.updates).toEqual([
    {
      type: 'message',
      external_id: 'D0DIRECT1:1772000000.000100',
      message_id: '1772000000.000100',
      chat_id: 'D0DIRECT1',
      thread_id: null,
      chat_kind: 'direct',
      guild_id: slackTeam,
      sender_id: 'U0ADA0001',
      sender_name: null,
      text: 'Hello',
      addressed: true,
      edited: false,
      attachments: [],
      sent_at: '2026-02-25T06:13:20.000Z',
    },
  ])
  expect(slack.acknowledged).toEqual([envelope])
})

test('what could not be kept is not acknowledged, and comes again', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.connections > 0)
  host.refusal = new Error('The store is full')
  slack.deliver(slack.message('not lost'))
  expect(await first.over).toBe(host.refusal)
  expect(slack.acknowledged).toEqual([])
  host.refusal = null
  follow(adapter)
  await once(slack.events, 'acknowledged', { signal: deadline() })
  expect(textsOf(host)).toEqual(['not lost'])
})

test('what comes twice, or as a message and as a mention, is one update', async () => {
  const host = new TestHost()
  await connected(host)
  const said = { channel, channel_type: 'channel', ts: '1772000000.000200' }
  slack.deliver(slack.message(`<@${slackBotUser}> /status`, said))
  slack.deliver(slack.message(`<@${slackBotUser}> /status`, { ...said, type: 'app_mention', channel_type: undefined }))
  slack.deliver(slack.message(`<@${slackBotUser}> /status`, said))
  slack.deliver(slack.message('the last'))
  await host.until(() => host.updates.length === 2)
  expect(host.updates).toMatchObject([
    { chat_id: channel, chat_kind: 'group', text: '/status', addressed: true },
    { text: 'the last' },
  ])
})

test('in a channel it is addressed by its id or in a thread of its own, and by nothing else', () => {
  const parse = (text: string, fields: Record<string, unknown> = {}) => {
    const body = JSON.stringify(slack.message(text, { channel, channel_type: 'channel', ...fields }))
    return readAtOnce(body)[0] as InboundMessage
  }
  const thread_ts = '1772000000.000001'
  expect(parse('hello all').addressed).toBe(false)
  expect(parse(`hey <@${slackBotUser}|keel>`).addressed).toBe(true)
  expect(parse(`hey &lt;@${slackBotUser}&gt; @keel <!channel>`).addressed).toBe(false)
  expect(parse('and?', { thread_ts, parent_user_id: slackBotUser })).toMatchObject({
    addressed: true,
    thread_id: thread_ts,
  })
  expect(parse('and?', { thread_ts, parent_user_id: 'U0ADA0002' })).toMatchObject({ addressed: false })
  expect(parse('hi', { channel: 'G0MPIM001', channel_type: 'mpim' })).toMatchObject({ chat_kind: 'group' })
})

test('bots, the bot itself and notices are no updates; an edit is one, a preview of a link is not', () => {
  const parse = (payload: unknown) => connect(new TestHost()).parse?.(JSON.stringify(payload))
  expect(parse(slack.message('beep', { bot_id: 'B0OTHER01' }))).toEqual([])
  expect(parse(slack.message('I can help', { user: 'USLACKBOT' }))).toEqual([])
  expect(parse(slack.message('mine', { user: slackBotUser }))).toEqual([])
  expect(parse(slack.message('joined', { subtype: 'channel_join' }))).toEqual([])
  expect(parse(slack.message(''))).toEqual([])
  expect(parse({ type: 'url_verification', challenge: 'c', token: 't' })).toEqual([])
  const ts = '1772000000.000300'
  const message = { type: 'message', user: 'U0ADA0001', text: 'first', ts }
  const change = { subtype: 'message_changed', hidden: true, user: undefined, text: undefined }
  expect(parse(slack.message('', { ...change, message }))).toEqual([])
  const edited = { ...message, edited: { user: 'U0ADA0001', ts: '1772000009.000000' } }
  expect(parse(slack.message('', { ...change, message: edited }))).toMatchObject([
    { text: 'first', edited: true, message_id: ts, external_id: `D0DIRECT1:${ts}:1772000009.000000` },
  ])
})

test('text is read as it was meant: escapes, links, people', () => {
  const text =
    'a &lt;b&gt; &amp;lt; <https://example.org/x?a=1&amp;b=2|here> <mailto:a@example.org|a> <@U123|ada> <#C9|dev>'
  const [update] = readAtOnce(JSON.stringify(slack.message(text)))
  expect(update).toMatchObject({ text: 'a <b> &lt; https://example.org/x?a=1&b=2 a@example.org <@U123> <#C9>' })
})

test('a text made of beginnings of links is read in no time to speak of', () => {
  const text = '<https:'.repeat(40_000)
  const [update] = readAtOnce(JSON.stringify(slack.message(text)))
  expect(update).toMatchObject({ text: text.slice(0, channelBounds.textBytes) })
})

test('files come with their private address; those that are kept elsewhere do not', () => {
  const url = 'https://files.slack.com/files-pri/T-F/cat.png'
  const files = [
    { id: 'F1', name: 'cat.png', mimetype: 'image/png', size: 7, url_private: url, mode: 'hosted' },
    { id: 'F2', name: 'doc', url_private: 'https://docs.example.org/d', is_external: true, mode: 'external' },
    { id: 'F3', mode: 'tombstone' },
  ]
  const body = JSON.stringify(slack.message('', { subtype: 'file_share', files }))
  expect(connect(new TestHost()).parse?.(body)).toMatchObject([
    { attachments: [{ kind: 'image', ref: url, filename: 'cat.png', content_type: 'image/png', size_bytes: 7 }] },
  ])
})

test('a press comes by Socket Mode and as the form of a webhook, and is answered to the presser alone', async () => {
  const host = new TestHost()
  const adapter = await connected(host)
  const pressed = slack.pressed('approve:1', { channel: { id: channel }, message: { thread_ts: '1772000000.000001' } })
  slack.deliver(pressed)
  await host.until(() => host.updates.length === 1)
  const press = host.updates[0]
  expect(press).toMatchObject({ type: 'press', value: 'approve:1', sender_id: 'U0ADA0001', chat_id: channel })
  expect(adapter.parse?.(new URLSearchParams({ payload: JSON.stringify(pressed) }).toString())).toEqual([press])
  const external_id = press?.external_id ?? ''
  // Another process answers as well: the id says where.
  await connect(new TestHost()).answerPress?.({ external_id, text: 'Approved <!here>' }, deadline())
  expect(slack.ephemeral).toEqual([
    { channel, user: 'U0ADA0001', text: 'Approved &lt;!here>', thread_ts: '1772000000.000001' },
  ])
  const unknown = adapter.answerPress?.({ external_id: 'nonsense', text: 'x' }, deadline()) ?? Promise.resolve()
  expect(await refusalOf(unknown)).toMatchObject({ code: 'press_unknown', permanent: true })
})

test('Slack may ask for a new connection: that is no failure, and nothing is lost', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const { over } = follow(adapter)
  await host.until(() => host.connections > 0)
  slack.askToReconnect()
  expect(await over).toBeNull()
  slack.deliver(slack.message('meanwhile'))
  follow(adapter)
  await host.until(() => host.updates.length === 1)
  expect(textsOf(host)).toEqual(['meanwhile'])
})

test('a connection that breaks off ends the stay, and the next one has what was said meanwhile', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const { over } = follow(adapter)
  await host.until(() => host.connections > 0)
  slack.dropSocket()
  await over
  slack.deliver(slack.message('meanwhile'))
  follow(adapter)
  await host.until(() => host.updates.length === 1)
})

test('stopping while Slack does not say hello ends with nothing left open', async () => {
  slack.silentSocket = true
  const { stop, over } = follow(connect(new TestHost()))
  await once(slack.events, 'connected', { signal: deadline() })
  stop.abort()
  expect(await over).toBeNull()
})

test('without an app token it waits for webhooks, once the bot token is known to be good', async () => {
  const host = new TestHost()
  const adapter = connect(host, { app_token: null })
  expect(adapter.mode).toBe('webhook')
  const { stop, over } = follow(adapter)
  await host.until(() => host.connections > 0)
  stop.abort()
  expect(await over).toBeNull()
})

test('tokens that Slack does not take are named as such, and are in no error', async () => {
  const host = new TestHost()
  const secret = 'xoxb-a-token-that-is-wrong-0123456789'
  const wrongBot = connect(host, { bot_token: secret })
  const wrongApp = connect(host, { app_token: secret })
  const calls = [
    () => wrongBot.check(deadline()),
    () => wrongBot.receive(deadline()),
    () => wrongBot.send(outboundPart({ chat_id: channel }), deadline()),
    () => wrongApp.receive(deadline()),
  ]
  for (const call of calls) {
    const error = (await refusalOf(call())) as Error
    expect(error).toMatchObject({ code: 'invalid_auth', permanent: true })
    expect(toldBy(error)).not.toContain(secret)
  }
  slack.failNext(1, 'drop')
  const dropped = (await refusalOf(wrongBot.check(deadline()))) as Error
  expect(toldBy(dropped)).not.toContain(secret)
  expect(host.lines.join()).not.toContain(secret)
})

test('a message goes to its thread under its key, without previews, and can call nobody', async () => {
  const adapter = connect(new TestHost())
  const text = '<!channel> <!here> <!everyone> <!subteam^S1> <@U1> <https://example.org|here>'
  const part = outboundPart({ chat_id: channel, thread_id: '1772000000.000001', text, reply_to: '1772000000.000002' })
  const { message_id } = await adapter.send(part, deadline())
  await adapter.send(part, deadline())
  await adapter.send({ ...part, key: 'delivery-1/1' }, deadline())
  expect(slack.sent[0]).toMatchObject({
    ts: message_id,
    channel,
    thread_ts: '1772000000.000001',
    text: '&lt;!channel> &lt;!here> &lt;!everyone> &lt;!subteam^S1> &lt;@U1> <https://example.org|here>',
    params: { unfurl_links: 'false', unfurl_media: 'false', link_names: 'false' },
  })
  const keys = slack.sent.map(({ client_msg_id }) => client_msg_id)
  expect(keys[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(keys[1]).toBe(keys[0])
  expect(keys[2]).not.toBe(keys[0])
})

test('drafts are edited in place, and the answer takes the place of the draft or, if that is gone, stands alone', async () => {
  const adapter = connect(new TestHost())
  const chat = { chat_id: channel, thread_id: null, plain: '', reply_to: null }
  const draft = await adapter.draft?.({ ...chat, text: 'Thin', message_id: null }, deadline())
  const message_id = draft?.message_id ?? ''
  await adapter.draft?.({ ...chat, text: 'Thinking <!here>', message_id }, deadline())
  const sent = await adapter.send(outboundPart({ chat_id: channel, text: 'Thought', replaces: message_id }), deadline())
  expect(sent.message_id).toBe(message_id)
  expect(slack.sent).toMatchObject([{ text: 'Thought', former: ['Thin', 'Thinking &lt;!here>'] }])
  await adapter.send(outboundPart({ chat_id: channel, text: 'Said', replaces: '1772000000.999999' }), deadline())
  expect(slack.sent).toMatchObject([{ text: 'Thought' }, { text: 'Said' }])
})

test('buttons stand below the text, and are taken away with it', async () => {
  const adapter = connect(new TestHost())
  const buttons = [
    { label: 'Approve', value: 'approve:1' },
    { label: 'Deny', value: 'deny:1' },
  ]
  const { message_id } = await adapter.send(outboundPart({ chat_id: channel, text: 'May I?', buttons }), deadline())
  const elements = [
    { type: 'button', value: 'approve:1', text: { type: 'plain_text', text: 'Approve' } },
    { type: 'button', value: 'deny:1', text: { type: 'plain_text', text: 'Deny' } },
  ]
  expect(slack.sent[0]).toMatchObject({
    text: 'May I?',
    params: { attachments: [{ fallback: 'Approve · Deny', blocks: [{ type: 'actions', elements }] }] },
  })
  await adapter.send(outboundPart({ chat_id: channel, text: 'Approved', replaces: message_id }), deadline())
  expect(slack.sent[0]).toMatchObject({ text: 'Approved', params: { attachments: [] } })
})

const fileBytes = Buffer.from('%PDF-1.7 not really')

test('a file is uploaded and shared in its thread', async () => {
  const host = new TestHost({ allowedHosts: [slack.host] })
  const file = fileOf(host, {}, fileBytes)
  const part = outboundPart({ chat_id: channel, thread_id: '1772000000.000001', text: 'Here <!here>', file })
  expect(await connect(host).send(part, deadline())).toEqual({ message_id: null })
  expect(slack.files).toMatchObject([
    {
      filename: 'report.pdf',
      bytes: fileBytes,
      params: { channel_id: channel, thread_ts: '1772000000.000001', initial_comment: 'Here &lt;!here>' },
    },
  ])
})

test('a file is not given to a host that is not Slack', async () => {
  const host = new TestHost()
  const part = outboundPart({ chat_id: channel, file: fileOf(host) })
  for (const url of [`http://${slack.host}/upload/x`, 'https://files.slack.com.example.org/upload/x']) {
    slack.uploadUrl = url
    expect(await refusalOf(connect(host).send(part, deadline()))).toMatchObject({
      code: 'upload_host',
      permanent: true,
    })
  }
  expect(slack.requests).not.toContain('upload')
})

test('a rate limit is told with how long to wait, and is not waited for here', async () => {
  const adapter = connect(new TestHost())
  slack.failNext(1, { status: 429, headers: { 'retry-after': '30' }, body: { ok: false, error: 'ratelimited' } })
  const error = await refusalOf(adapter.send(outboundPart({ chat_id: channel }), deadline()))
  expect(error).toMatchObject({ code: 'ratelimited', permanent: false, retryAfterMs: 30_000 })
  expect(slack.requests).toEqual(['chat.postMessage'])
})

test.each([
  ['channel_not_found', true],
  ['not_in_channel', true],
  ['is_archived', true],
  ['account_inactive', true],
  ['token_revoked', true],
  ['missing_scope', true],
  ['msg_too_long', true],
  ['internal_error', false],
  ['fatal_error', false],
  ['service_unavailable', false],
  ['a_code_of_tomorrow', false],
])('%s: permanent is %j', async (code, permanent) => {
  slack.refusals.set(channel, code)
  const error = await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id: channel }), deadline()))
  expect(error).toMatchObject({ code, permanent })
})

test.each([
  { status: 500, body: 'oops' },
  { status: 429, body: '' },
  { status: 200, body: '<html>channel_not_found</html>' },
  { status: 200, body: { ok: true } },
  { status: 302, headers: { location: 'http://example.org/' }, body: '' },
  'drop' as const,
])('what is not said by Slack itself may go better: %j', async (fault) => {
  const adapter = connect(new TestHost())
  slack.failNext(1, fault)
  const error = await refusalOf(adapter.send(outboundPart({ chat_id: channel }), deadline()))
  expect((error as { permanent?: boolean }).permanent ?? false).toBe(false)
  await adapter.send(outboundPart({ chat_id: channel }), deadline())
  expect(slack.sent).toHaveLength(1)
})

test('a request that hangs ends with its signal', async () => {
  const adapter = connect(new TestHost())
  slack.failNext(1, 'hang')
  const refusal = await refusalOnceStopped(slack, (signal) => adapter.send(outboundPart({ chat_id: channel }), signal))
  expect(refusal).toMatchObject({ name: 'AbortError' })
})

test.each(['#general', 'general', '', '@ada'])('%j names no channel', async (chat_id) => {
  const error = await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id }), deadline()))
  expect(error).toMatchObject({ code: 'invalid_chat', permanent: true })
  expect(slack.requests).toEqual([])
})

test('files come with the token from Slack and the hosts that were named, and from nowhere else', async () => {
  const bytes = Buffer.from('a picture')
  const ref = slack.hostFile('cat.png', bytes, 'image/png')
  const fetched = (host: TestHost, from: string, maxBytes = 100) =>
    connect(host).fetchMedia?.({ ref: from, kind: 'image', maxBytes }, deadline()) ?? expect.unreachable()
  const named = new TestHost({ allowedHosts: [slack.host] })
  const media = await fetched(named, ref)
  expect(await bytesOf(media)).toEqual(bytes)
  await expect(fetched(named, ref, 3)).rejects.toMatchObject({ kind: 'too_large' })
  await expect(fetched(new TestHost(), ref)).rejects.toMatchObject({ kind: 'forbidden' })
  await expect(fetched(named, 'https://slack.com.example.org/x')).rejects.toMatchObject({ kind: 'forbidden' })
})

test('check says who Keel is', async () => {
  expect(await connect(new TestHost()).check(deadline())).toEqual({ identity: `keel (${slackBotUser}) in Tests` })
})

test('no shape of an event or a press breaks the reading, by webhook or by Socket Mode', async () => {
  const host = new TestHost()
  const adapter = await connected(host)
  const event = slack.message('one').event as Record<string, unknown>
  const pressed = slack.pressed('v')
  const varied = (model: Record<string, unknown>) =>
    hostileValues.flatMap((value) => Object.keys(model).map((key) => ({ ...model, [key]: value })))
  const changed = hostileValues.map((message) => ({ ...event, subtype: 'message_changed', message }))
  const shapes = [
    ...hostileValues,
    ...varied(slack.message('one')),
    ...[...hostileValues, ...varied(event), ...changed].map((given) => ({ ...slack.message('x'), event: given })),
    ...hostileValues.map((files) => slack.message('x', { files, ts: slack.newTs() })),
    ...varied(pressed),
  ]
  expect(shapes.length).toBeGreaterThan(30)
  const bodies = ['', 'null', 'not json', 'payload=', 'payload=%7B', '[', '{"type":"event_callback"}']
  for (const body of [...bodies, ...shapes.map((shape) => JSON.stringify(shape))]) {
    expect(() => adapter.parse?.(body)).not.toThrow()
  }
  for (const shape of shapes.filter((shape) => JSON.stringify(shape).length < 10_000)) slack.deliver(shape)
  for (const frame of ['nonsense', 'null', '[]', '{"type":"events_api"}', '{"type":7,"envelope_id":{}}'])
    slack.frame(frame)
  const last = slack.deliver(slack.message('the last'))
  while (!slack.acknowledged.includes(last)) await once(slack.events, 'acknowledged', { signal: deadline() })
  expect(textsOf(host)).toContain('the last')
})
