import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { platforms } from '#sdk/channels/platforms.ts'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { FakeTelegram, telegramChat, telegramToken, telegramUser } from '../support/platforms/telegram.ts'

const env = { TG_TOKEN: telegramToken }
const ada = String(telegramChat.id)
const stranger = { id: 300_000_001, is_bot: false, first_name: 'Eve' }

let telegram: FakeTelegram
let keel: Daemon

beforeAll(async () => {
  telegram = await FakeTelegram.start()
  keel = await startDaemon({
    env,
    config: `
[channels]
trusted_sender_ids = ["${telegramUser.id}"]
[channels.telegram]
token_env = "TG_TOKEN"
api_url = "${telegram.apiUrl}"
[channels.signal]
enabled = true
`,
  })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await telegram.close()
})

beforeEach(() => {
  telegram.sent.length = 0
})

const channels = () => keel.client.channels
const statusOf = async (wanted: string) => (await channels().listChannels()).find(({ name }) => name === wanted)
const said = (text: string) => telegram.sent.some((sent) => sent.text.includes(text))
const put = (body: Record<string, unknown>) => keel.client.config.updateConfig({ body })

async function post(path: string, body: unknown) {
  const headers = { 'content-type': 'application/json' }
  const answer = await keel.fetch(`/api/channels/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

test('the status is a bare array: the API first, other agents last, and what each platform can do', async () => {
  await eventually('Telegram is connected', async () => (await statusOf('telegram'))?.connected === true, 15_000)
  const answer = await (await keel.fetch('/api/channels/status')).json()
  expect(Array.isArray(answer)).toBe(true)
  const status = await channels().listChannels()
  const names = Object.keys(platforms).toSorted()
  expect(status.map(({ name }) => name)).toEqual(['web', ...names, 'a2a'])
  expect(status[0]).toMatchObject({ connected: true, configured: true, last_error: null, mode: 'local' })
  expect(status.at(-1)).toMatchObject({ sessions_active: 0 })
  expect(await statusOf('telegram')).toMatchObject({
    configured: true,
    mode: 'polling',
    last_error: null,
    capabilities: { markup: 'markdown_v2', text_most: 4_096, text_unit: 'utf16', edits: true, buttons: true },
  })
  await eventually('its last word is known', async () => (await statusOf('telegram'))?.last_activity !== null, 15_000)
  // Begun to be set up, and not finished.
  expect(await statusOf('signal')).toMatchObject({
    configured: false,
    connected: false,
    last_error: 'channels.signal: phone_number is not set',
  })
  expect(await statusOf('discord')).toMatchObject({ configured: false, last_error: null })
  const { diagnostics } = await keel.client.agent.getAgentStatus()
  expect(diagnostics).toMatchObject({ channels_total: 4, channels_with_errors: 1 })
})

test('what comes and goes over the API is counted as well', async () => {
  const before = await statusOf('web')
  await keel.client.agent.sendMessage({ body: { content: 'good morning' } })
  const after = await statusOf('web')
  expect([after?.messages_received, after?.messages_sent]).toEqual([
    (before?.messages_received ?? 0) + 1,
    (before?.messages_sent ?? 0) + 1,
  ])
})

test('a message is sent once under its key, and listed', async () => {
  const send = (text: string) =>
    channels().sendMessage({ params: { channel: 'telegram' }, body: { chat_id: ada, text, idempotency_key: 'k1' } })
  const { delivery_id } = await send('good **news**')
  expect((await send('other news')).delivery_id).toBe(delivery_id)
  await eventually('it is sent', () => telegram.sent.length === 1)
  expect(telegram.sent).toMatchObject([{ chat_id: telegramChat.id, text: 'good *news*' }])
  const listed = async () => (await channels().listDeliveries({ query: { channel: 'telegram', limit: 1 } })).deliveries
  await eventually('it is delivered', async () => (await listed())[0]?.status === 'delivered')
  expect(await listed()).toMatchObject([
    { id: delivery_id, recipient_id: ada, content: 'good **news**', parts_sent: 1, attempts: 1 },
  ])
  expect((await channels().listDeliveries({ query: { status: 'pending' } })).count).toBe(0)
})

test('what a platform refuses for good is a dead letter, replayed or discarded', async () => {
  expect(await channels().listDeadLetters({ query: {} })).toEqual({ items: [], count: 0 })
  telegram.blocked.add(telegramChat.id)
  const body = { chat_id: ada, text: 'are you there?' }
  const { delivery_id: id } = await channels().sendMessage({ params: { channel: 'telegram' }, body })
  const dead = async (limit = 50) => channels().listDeadLetters({ query: { limit } })
  await eventually('it is a dead letter', async () => (await dead()).count === 1)
  expect((await dead(0)).items).toMatchObject([
    { id, channel: 'telegram', recipient_id: ada, content: 'are you there?', attempts: 1, max_attempts: 5 },
  ])
  expect((await dead()).items[0]?.last_error).not.toContain(telegramToken)
  expect((await keel.fetch('/api/channels/dead-letter?limit=x')).status).toBe(400)
  expect(await statusOf('telegram')).toMatchObject({ dead_letters: 1 })

  telegram.blocked.clear()
  expect(await channels().replayDeadLetter({ params: { id } })).toEqual({ ok: true, id, status: 'pending' })
  await eventually('it is sent', () => said('are you there?'))
  expect((await dead()).count).toBe(0)
  const gone = { status: 404, body: { ok: false, error: 'dead-letter item not found' } }
  expect(await post(`dead-letter/${id}/replay`, {})).toEqual(gone)

  telegram.blocked.add(telegramChat.id)
  const second = await channels().sendMessage({ params: { channel: 'telegram' }, body: { ...body, text: 'hello?' } })
  await eventually('it is a dead letter', async () => (await dead()).count === 1)
  telegram.blocked.clear()
  const params = { id: second.delivery_id }
  expect(await channels().discardDeadLetter({ params })).toEqual({ ok: true, ...params, status: 'discarded' })
  expect((await keel.fetch(`/api/channels/dead-letter/${params.id}`, { method: 'DELETE' })).status).toBe(404)
  expect((await dead()).count).toBe(0)
})

test('somebody is paired by a code, and no longer', async () => {
  const made = await channels().createPairingCode({ params: { channel: 'telegram' }, body: {} })
  expect(made).toMatchObject({ channel: 'telegram', authority: 'Peer' })
  const eve = { from: stranger, chat: { id: stranger.id, type: 'private', first_name: 'Eve' } }
  telegram.say('/help', eve)
  telegram.say(`/pair ${made.code}`, eve)
  await eventually('they are paired', async () => (await channels().listPeers()).peers.length === 1, 10_000)
  const [peer] = (await channels().listPeers()).peers
  expect(peer).toMatchObject({ channel: 'telegram', sender_id: String(stranger.id), authority: 'Peer' })
  telegram.say('/help', eve)
  await eventually('they are answered', () => said('/status'))
  // What they said before is not.
  expect(telegram.sent.filter(({ text }) => text.includes('/status'))).toHaveLength(1)
  const id = peer?.id ?? ''
  expect(await channels().deletePeer({ params: { id } })).toEqual({ deleted: true, id })
  expect((await keel.fetch(`/api/channels/peers/${id}`, { method: 'DELETE' })).status).toBe(404)
  telegram.sent.length = 0
  telegram.say('/help', eve)
  telegram.say('/models')
  await eventually('another is answered', () => said('primary'))
  expect(said('/status')).toBe(false)
})

test('a channel is tested, with a message where it is to be', async () => {
  const params = { channel: 'telegram' }
  const tested = await channels().testChannel({ params, body: {} })
  expect(tested).toMatchObject({ ok: true, error: null, delivery_id: null })
  expect(tested.identity).toContain('Keel_Test_bot')
  const { delivery_id } = await channels().testChannel({ params, body: { chat_id: ada, text: 'one two' } })
  expect(delivery_id).not.toBeNull()
  await eventually('the message is there', () => said('one two'))
  expect(await channels().testChannel({ params: { channel: 'signal' }, body: { chat_id: '1' } })).toMatchObject({
    ok: false,
    error: 'channels.signal: phone_number is not set',
    delivery_id: null,
  })
})

test('an adapter is started anew alone, and goes on', async () => {
  expect(await channels().restartChannel({ params: { channel: 'telegram' } })).toEqual({
    ok: true,
    channel: 'telegram',
  })
  telegram.say('/help')
  await eventually('it answers', () => said('/status'), 15_000)
})

test.each(['pair', 'test', 'send', 'restart'])('a channel that is none has no %s', async (action) => {
  const body = action === 'send' ? { chat_id: '1', text: 'x' } : {}
  for (const name of ['web', 'nothing', 'constructor'])
    expect(await post(`adapters/${name}/${action}`, body)).toEqual({
      status: 404,
      body: { error: `channel '${name}' not found` },
    })
})

test.each(['send', 'restart'])('a channel that is not configured refuses to %s', async (action) => {
  expect(await post(`adapters/discord/${action}`, { chat_id: '1', text: 'x' })).toMatchObject({
    status: 503,
    body: { error: 'Discord is not configured' },
  })
})

test('what a job brings is sent to its chat, and a reminder to the chat in which it was asked for', async () => {
  const { id } = await keel.client.cron.createJob({
    body: {
      name: 'word',
      schedule_kind: 'every',
      schedule_expr: '1h',
      payload_json: { action: 'log', message: 'the word of the hour' },
      delivery_mode: 'announce',
      delivery_channel: `telegram:${ada}`,
    },
  })
  await keel.client.cron.runJob({ params: { id } })
  await eventually('it is sent', () => said('the word of the hour'))
  telegram.say('remind me in 1 second to breathe')
  await eventually('the reminder is sent', () => telegram.sent.some(({ text }) => /^breathe/.test(text)), 20_000)
}, 30_000)

test('the channel follows the configuration', async () => {
  await put({ channels: { telegram: { enabled: false } } })
  expect(await statusOf('telegram')).toMatchObject({ configured: false, connected: false })
  await put({ channels: { telegram: { enabled: true } } })
  await eventually('it is connected', async () => (await statusOf('telegram'))?.connected === true, 15_000)
})
