import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readHome } from '../support/cron-rows.ts'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { hostileValues } from '../support/platforms/hostile-values.ts'
import { FakeTelegram, telegramChat, telegramToken } from '../support/platforms/telegram.ts'
import { FakeWhatsapp, whatsappAppSecret, whatsappPhoneId, whatsappToken } from '../support/platforms/whatsapp.ts'

const hookSecret = 'hook-secret-of-tests'
const slackSecret = 'slack-secret-of-tests'
const verifyToken = 'verify-me'
const env = { TG_TOKEN: telegramToken, WA_TOKEN: whatsappToken, SLACK_TOKEN: 'xoxb-of-tests' }
const json = { 'content-type': 'application/json' }

let telegram: FakeTelegram
let whatsapp: FakeWhatsapp
let keel: Daemon

const configOf = () => `
[channels.telegram]
token_env = "TG_TOKEN"
api_url = "${telegram.apiUrl}"
webhook_mode = true
webhook_secret = "${hookSecret}"
allowed_chat_ids = [${telegramChat.id}]

[channels.whatsapp]
enabled = true
token_env = "WA_TOKEN"
api_url = "${whatsapp.apiUrl}"
phone_number_id = "${whatsappPhoneId}"
verify_token = "${verifyToken}"
app_secret = "${whatsappAppSecret}"

[channels.slack]
enabled = true
token_env = "SLACK_TOKEN"
api_url = "http://127.0.0.1:9/"
signing_secret = "${slackSecret}"
`

beforeAll(async () => {
  telegram = await FakeTelegram.start()
  whatsapp = await FakeWhatsapp.start()
  keel = await startDaemon({ config: configOf(), env })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await telegram.close()
  await whatsapp.close()
})

/** Without a key, as platforms come. */
async function post(path: string, body: string | Buffer, headers: Record<string, string> = {}, at = keel) {
  const answer = await fetch(`${at.url}/api/webhooks/${path}`, {
    method: 'POST',
    body,
    headers: { ...json, ...headers },
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? null : JSON.parse(text) }
}

const secret = { 'x-telegram-bot-api-secret-token': hookSecret }
const toTelegram = (update: unknown, headers = secret, at = keel) =>
  post('telegram', JSON.stringify(update), headers, at)
const sign = (body: string | Buffer, key = whatsappAppSecret) =>
  `sha256=${createHmac('sha256', key).update(body).digest('hex')}`
const toWhatsapp = (body: string | Buffer, signature = sign(body)) =>
  post('whatsapp', body, { 'x-hub-signature-256': signature })
function toSlack(body: string, { key = slackSecret, at = Date.now(), type = 'application/json' } = {}) {
  const time = String(Math.floor(at / 1000))
  const signature = `v0=${createHmac('sha256', key).update(`v0:${time}:${body}`).digest('hex')}`
  const headers = { 'x-slack-signature': signature, 'x-slack-request-timestamp': time, 'content-type': type }
  return post('slack', body, headers)
}
const said = (text: string, update_id: number) => ({ update_id, message: telegram.message({ text }) })
const refusal = (error: string) => ({ ok: false, error })
const kept = (at: Daemon) => readHome<{ n: number }>(at.home, 'SELECT count(*) AS n FROM channel_webhooks')[0]?.n

describe('Telegram', () => {
  test('is let in by its secret alone', async () => {
    const update = { update_id: 1, message: {} }
    const wrong = refusal('missing or invalid webhook secret')
    expect(await post('telegram', JSON.stringify(update))).toEqual({ status: 401, body: wrong })
    for (const given of [`${hookSecret} `, hookSecret.toUpperCase(), 'x']) {
      const headers = { 'x-telegram-bot-api-secret-token': `${given}x` }
      expect(await toTelegram(update, headers)).toEqual({ status: 401, body: wrong })
    }
    expect(await toTelegram(update)).toEqual({ status: 200, body: { ok: true } })
  })

  test('must bring an object in JSON', async () => {
    expect((await post('telegram', '{}', { ...secret, 'content-type': 'text/plain' })).status).toBe(415)
    for (const body of ['', '{', 'null', '[]', '"x"', '7', '[{"update_id":1}]', Buffer.from([0x7b, 0xff, 0x7d])]) {
      const answer = await post('telegram', body, secret)
      expect([answer.status, answer.body.ok], String(body)).toEqual([400, false])
    }
    expect((await post('telegram', `{"a":"${'x'.repeat(1_048_576)}"}`, secret)).status).toBe(413)
  })

  test('is not listened to before it is set up', async () => {
    const put = (settings: Record<string, unknown>) =>
      keel.client.config.updateConfig({ body: { channels: { telegram: settings } } })
    await put({ webhook_mode: false, webhook_secret: '' })
    expect(await toTelegram({ update_id: 2 })).toEqual({ status: 503, body: refusal('Webhook secret not configured') })
    await put({ enabled: false })
    expect(await toTelegram({ update_id: 2 })).toEqual({ status: 503, body: refusal('Telegram not configured') })
    await put({ enabled: true, webhook_mode: true, webhook_secret: hookSecret })
    expect((await toTelegram({ update_id: 2 })).status).toBe(200)
  })
})

describe('WhatsApp', () => {
  const verify = async (query: Record<string, string>) => {
    const answer = await fetch(`${keel.url}/api/webhooks/whatsapp?${new URLSearchParams(query)}`)
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() }
  }
  const asked = { 'hub.mode': 'subscribe', 'hub.verify_token': verifyToken, 'hub.challenge': '<b>1158201444</b>' }

  test('is told its challenge, bare, where it knows the token', async () => {
    const answer = await verify(asked)
    expect(answer).toMatchObject({ status: 200, text: '<b>1158201444</b>' })
    expect(answer.type).toMatch(/^text\/plain/)
    const refused = [{ 'hub.mode': 'unsubscribe' }, { 'hub.verify_token': '' }, { 'hub.verify_token': 'verify-mE' }]
    for (const change of refused) expect(await verify({ ...asked, ...change })).toMatchObject({ status: 403, text: '' })
    expect(await verify({})).toMatchObject({ status: 403, text: '' })
  })

  test('an empty token opens nothing, and without a set-up there is no answer', async () => {
    const put = (settings: Record<string, unknown>) =>
      keel.client.config.updateConfig({ body: { channels: { whatsapp: settings } } })
    await put({ verify_token: '' })
    expect(await verify({ ...asked, 'hub.verify_token': '' })).toMatchObject({ status: 403, text: '' })
    await put({ verify_token: verifyToken, app_secret: '' })
    expect(await toWhatsapp('{}')).toEqual({ status: 503, body: refusal('Webhook secret not configured') })
    await put({ enabled: false })
    expect(await verify(asked)).toMatchObject({ status: 503, text: '' })
    expect(await toWhatsapp('{}')).toEqual({ status: 503, body: refusal('WhatsApp not configured') })
    await put({ enabled: true, app_secret: whatsappAppSecret })
    expect(await toWhatsapp('{}')).toEqual({ status: 200, body: { ok: true } })
  })

  test('signs the bytes, and is told what is wrong with a signature', async () => {
    const body = '{"object":"whatsapp_business_account", "text":"gr\u00fc\u00dfe"}'
    const bare = 'missing or invalid X-Hub-Signature-256'
    expect(await post('whatsapp', body)).toEqual({ status: 401, body: refusal(bare) })
    expect(await toWhatsapp(body, sign(body).slice('sha256='.length))).toEqual({ status: 401, body: refusal(bare) })
    for (const odd of ['sha256=xyz', 'sha256=abc', 'sha256='])
      expect(await toWhatsapp(body, odd)).toEqual({ status: 401, body: refusal('invalid webhook signature (bad hex)') })
    for (const other of [sign(`${body} `), sign(body, 'another'), `${sign(body)}00`, 'sha256=00'])
      expect(await toWhatsapp(body, other)).toEqual({ status: 401, body: refusal('invalid webhook signature') })
    expect(await toWhatsapp(body)).toEqual({ status: 200, body: { ok: true } })
    expect(await toWhatsapp(body, sign(body).toUpperCase().replace('SHA256', 'sha256'))).toMatchObject({ status: 200 })
  })

  test('must bring JSON, of a size', async () => {
    expect(await toWhatsapp('{')).toEqual({ status: 400, body: refusal('invalid JSON') })
    expect((await toWhatsapp('[]')).status).toBe(400)
    const large = Buffer.alloc(1_048_577, 'x')
    expect(await toWhatsapp(large)).toEqual({ status: 400, body: refusal('body too large or invalid') })
  })
})

describe('Slack', () => {
  test('signs the time and the bytes, and what is old is refused', async () => {
    const body = '{"type":"event_callback"}'
    expect(await toSlack(body)).toEqual({ status: 200, body: { ok: true } })
    expect(await toSlack(body, { key: 'another' })).toMatchObject({ status: 401 })
    for (const at of [Date.now() - 301_000, Date.now() + 302_000])
      expect(await toSlack(body, { at })).toEqual({ status: 401, body: refusal('the webhook is too old') })
    expect((await post('slack', body)).status).toBe(401)
  })

  test('is told its challenge where it signs it', async () => {
    const body = JSON.stringify({ type: 'url_verification', challenge: 'abc' })
    expect(await toSlack(body)).toEqual({ status: 200, body: { ok: true, challenge: 'abc' } })
    expect(await toSlack(body, { key: 'another' })).toMatchObject({ status: 401 })
  })

  test('brings pressed buttons as a form', async () => {
    const type = 'application/x-www-form-urlencoded'
    const form = new URLSearchParams({ payload: '{"type":"block_actions"}' }).toString()
    expect(await toSlack(form, { type })).toEqual({ status: 200, body: { ok: true } })
    expect((await toSlack('payload=nothing', { type })).status).toBe(400)
    expect((await toSlack('', { type })).status).toBe(400)
  })
})

describe('what comes in', () => {
  const answersTo = (text: string) => telegram.sent.filter((sent) => sent.text.includes(text)).length

  test('is answered once, however often it comes', async () => {
    const update = said('/help', 71_000)
    for (let n = 0; n < 3; n++) expect((await toTelegram(update)).status).toBe(200)
    await eventually('it is answered', () => answersTo('/status') === 1, 15_000)
    // One after the other: what came before it is done with.
    await toTelegram(said('/models', 71_001))
    await eventually('the next is answered', () => answersTo('primary') === 1, 15_000)
    expect(answersTo('/status')).toBe(1)
  })

  test('in any shape is no fault of Keel, and in the way of nothing', async () => {
    const shapes = (value: unknown, n: number) => [
      { update_id: 72_000 + n, message: value },
      { update_id: value, message: telegram.message({ text: '/models' }), edited_message: value },
      { update_id: 73_000 + n, message: telegram.message({ text: value, chat: value, entities: value, photo: value }) },
      { update_id: 74_000 + n, callback_query: value, [`x${n}`]: value },
    ]
    expect(hostileValues.length).toBeGreaterThanOrEqual(30)
    for (const [n, value] of hostileValues.entries()) {
      for (const update of shapes(value, n)) {
        const { status } = await toTelegram(update)
        expect(status, JSON.stringify(update).slice(0, 200)).toBeLessThan(500)
      }
      const body = JSON.stringify({ object: value, entry: [{ changes: [{ value: { messages: value } }] }, value] })
      expect((await toWhatsapp(body)).status, body.slice(0, 200)).toBeLessThan(500)
      expect((await toSlack(JSON.stringify({ type: 'event_callback', event: value }))).status).toBeLessThan(500)
    }
    const before = answersTo('current:')
    await toTelegram(said('/model', 75_000))
    await eventually('a message is answered', () => answersTo('current:') > before, 30_000)
    expect((await keel.client.health.getHealth()).checks.services.channels).toBe('ready')
  }, 60_000)

  test('is answered although the kernel is killed as soon as it has taken it', async () => {
    const home = keel.home
    const update = said('/breaker', 76_000)
    expect((await toTelegram(update)).status).toBe(200)
    await keel.stop('SIGKILL')
    // As it was taken it is kept: as it came, or as what it says.
    const [row] = readHome<{ n: number }>(
      home,
      `SELECT (SELECT count(*) FROM channel_webhooks WHERE body LIKE '%76000%')
         + (SELECT count(*) FROM channel_inbox WHERE external_id LIKE '%76000%') AS n`,
    )
    expect(row?.n).toBeGreaterThanOrEqual(1)
    const next = await startDaemon({ home, env })
    try {
      const answered = () => answersTo('No provider has been used yet') + answersTo(': closed')
      await eventually('it is answered', () => answered() === 1, 15_000)
      expect((await toTelegram(update, secret, next)).status).toBe(200)
      await eventually('it is read', () => kept(next) === 0)
      expect(answered()).toBe(1)
    } finally {
      await next.stop('SIGKILL')
    }
  }, 60_000)
})

test('whoever tries too many secrets is told to wait, and the right one is let in', async () => {
  const own = await startDaemon({ config: configOf(), env })
  try {
    const wrong = () => toTelegram({ update_id: 1 }, { 'x-telegram-bot-api-secret-token': 'guess' }, own)
    const statuses: number[] = []
    for (let n = 0; n < 12; n++) statuses.push((await wrong()).status)
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429])
    expect(await wrong()).toMatchObject({ status: 429, body: { ok: false } })
    expect((await toTelegram({ update_id: 1, message: {} }, secret, own)).status).toBe(200)
  } finally {
    await own.dispose()
  }
}, 30_000)
