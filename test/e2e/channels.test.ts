import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { reasonOf } from '#sdk/errors.ts'
import {
  discordGuild,
  mailPerson,
  matrixRoom,
  type Platforms,
  signalPerson,
  startPlatforms,
  telegramSecret,
} from '../support/all-channels.ts'
import { keel } from '../support/cli-run.ts'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { readMarkdownV2 } from '../support/markups/markdown-v2.ts'
import { discordBotId } from '../support/platforms/discord.ts'
import { type SentTelegramMessage, telegramUser } from '../support/platforms/telegram.ts'
import { startUpstream, type Upstream, type UpstreamRequest } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

/*
 * One Keel on every platform at once: somebody is paired, asks, is shown the answer while it is written, sends a picture,
 * is asked for an approval, hears of a job, blocks the bot and takes it back. Each step builds on those before it.
 */

const most = 4_096
const deadlineMs = 15_000
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const table = [
  'Prices *today*, at `1.5x`:',
  '',
  '| fruit | price |',
  '| --- | ---: |',
  '| apple (red) | 1.20 |',
  '| fig_leaf | 11.00 |',
  '',
  '```ts',
  "const path = 'C:\\\\tmp' // `a` - b",
  '```',
  '',
  '1. **One**. See [the list](https://example.org/a_(b)).',
].join('\n')
const paragraphs = Array.from({ length: 90 }, (_, at) => `Paragraph ${at} says: ${'and so on, '.repeat(9)}the end.`)
const pieces = Array.from({ length: 16 }, (_, at) => `This is sentence number ${at} of a slow answer. `)

let platforms: Platforms
let upstream: Upstream
let daemon: Daemon

beforeAll(async () => {
  platforms = await startPlatforms()
  upstream = await startUpstream(reply)
  const more = [
    '[session]\nscope_mode = "peer"',
    '[cache]\nenabled = false',
    '[approvals]\nenabled = true\ngated_tools = ["write_file"]',
  ].join('\n')
  daemon = await startDaemon(platforms.daemon(upstream.url, more))
  platforms.telegram.markupFault = (text) => {
    try {
      return readMarkdownV2(text).length > most ? 'message is too long' : null
    } catch (thrown) {
      return reasonOf(thrown)
    }
  }
}, 40_000)

afterAll(async () => {
  await daemon.dispose()
  await upstream.close()
  await platforms.close()
})

beforeEach(() => {
  platforms.telegram.sent.length = 0
})

function reply({ body }: UpstreamRequest): UpstreamReply {
  const { messages } = body as { messages: { role: string; content: string }[] }
  const last = messages.at(-1)
  if (last?.role === 'tool') return { text: `The tool says: ${last.content}` }
  const said = last?.content ?? ''
  if (said.includes('table')) return { text: table }
  if (said.includes('everything')) return { text: paragraphs.join('\n\n') }
  if (said.includes('slowly')) return { chunks: pieces, chunkDelayMs: 200 }
  const [, note] = /^note (.+)$/.exec(said) ?? []
  if (note)
    return { toolCalls: [{ name: 'write_file', arguments: JSON.stringify({ path: 'note.txt', content: note }) }] }
  return { text: `You said: ${said}` }
}

const command = (...words: string[]) => keel(words, { env: { KEEL_HOME: daemon.home, KEEL_URL: daemon.url } })
const workspace = (path: string) => join(daemon.home, 'workspace', path)
const statusOf = async (wanted: string) =>
  (await daemon.client.channels.listChannels()).find(({ name }) => name === wanted)

/** As a person reads it. */
function shown({ text, params }: SentTelegramMessage): string {
  return params.parse_mode === undefined ? text : readMarkdownV2(text)
}

async function telegramSays(text: string): Promise<SentTelegramMessage> {
  const find = () => platforms.telegram.sent.find((message) => shown(message).includes(text))
  await eventually(`Telegram shows "${text}"`, () => find() !== undefined, deadlineMs)
  return find() as SentTelegramMessage
}

test('every channel connects', async () => {
  await eventually(
    'all are connected',
    async () => {
      const channels = await daemon.client.channels.listChannels()
      return channels.filter(({ mode }) => mode !== 'local').every(({ connected }) => connected)
    },
    30_000,
  )
  const { stdout } = await command('channels', 'list')
  for (const name of ['telegram', 'whatsapp', 'discord', 'slack', 'matrix', 'signal', 'email'])
    expect(stdout).toMatch(new RegExp(`^${name} +connected `, 'm'))
  expect(await command('channels', 'test', 'telegram')).toMatchObject({
    code: 0,
    stdout: 'On telegram Keel is @Keel_Test_bot (7000000001).\n',
  })
}, 40_000)

test('a stranger hears nothing; a code makes them known', async () => {
  const { telegram } = platforms
  telegram.say('Is anybody there?')
  const { code } = JSON.parse(
    (await command('channels', 'pair', 'telegram', '--authority', 'Creator', '--json')).stdout,
  )
  telegram.say('/pair WRONGONE')
  await telegramSays('That code is not valid.')
  telegram.say(`/pair ${code}`)
  await telegramSays('We are paired now.')
  expect((await command('channels', 'peers')).stdout).toMatch(/telegram +Ada Byron +200000001 +200000001 +Creator/)
  telegram.say('And now?')
  await telegramSays('You said: And now?')
  expect(telegram.sent.map(shown)).not.toContainEqual(expect.stringContaining('Is anybody there?'))
})

test('an answer with a table and code is in markup that Telegram takes', async () => {
  platforms.telegram.say('A table, please.')
  const message = await telegramSays('Prices today')
  expect(message.params.parse_mode).toBe('MarkdownV2')
  expect(message.text).toContain('```ts\n')
  const text = shown(message)
  expect(text).toContain("const path = 'C:\\\\tmp' // `a` - b")
  expect(text).toMatch(/apple \(red\) +1\.20/)
  expect(text).toMatch(/fig_leaf +11\.00/)
  expect(message.text).toContain('[the list](https://example.org/a_(b\\))')
})

test('an answer is shown while it is written, and then becomes what was said', async () => {
  const { telegram } = platforms
  telegram.say('Tell it slowly.')
  await telegramSays('This is sentence number 15')
  expect(telegram.sent).toHaveLength(1)
  const [message] = telegram.sent as [SentTelegramMessage]
  expect(shown(message)).toBe(pieces.join('').trim())
  expect(message.former.length).toBeGreaterThan(0)
  expect(telegram.actions).toContainEqual(expect.objectContaining({ chat_id: telegramUser.id, action: 'typing' }))
})

test('a picture lies in the workspace, and the model is told where', async () => {
  const { telegram } = platforms
  telegram.hostFile('picture-1', png, 'photos/file_1.png')
  const photo = [{ file_id: 'picture-1', file_unique_id: 'p1', width: 1, height: 1, file_size: png.length }]
  telegram.push({ message: telegram.message({ caption: 'What is this?', photo }) })
  const text = shown(await telegramSays('You said: What is this?'))
  const [, path = ''] = /\[image: (media\/telegram\/\S+), image\/png, \d+ bytes\]/.exec(text) ?? []
  expect(readFileSync(workspace(path))).toEqual(png)
})

test('a call that waits for a person is approved by a press, and the answer follows', async () => {
  const { telegram } = platforms
  telegram.say('note buy milk')
  const asked = await telegramSays('write_file waits for your approval')
  expect(shown(asked)).toContain('"content": "buy milk"')
  expect(() => readFileSync(workspace('note.txt'))).toThrow('ENOENT')
  const { inline_keyboard } = asked.params.reply_markup as {
    inline_keyboard: { text: string; callback_data: string }[][]
  }
  const approve = inline_keyboard.flat().find(({ text }) => text === 'Approve')
  const stranger = { id: 200_000_002, is_bot: false, first_name: 'Eve' }
  telegram.press(approve?.callback_data ?? '', { from: stranger })
  telegram.press(approve?.callback_data ?? '')
  await telegramSays('The tool says:')
  expect(readFileSync(workspace('note.txt'), 'utf8')).toBe('buy milk')
  await eventually('the press is answered', () => telegram.answers.length > 0, deadlineMs)
  expect(telegram.answers.map(({ text }) => text)).toEqual(['Approved: write_file.'])
})

test('what a job brings is sent to the chat', async () => {
  const words = ['--at', '2099-01-01T00:00', '--task', 'The morning report', '--deliver', 'telegram']
  expect(await command('cron', 'add', 'morning', ...words)).toMatchObject({ code: 0, stderr: '' })
  expect(await command('cron', 'run', 'morning')).toMatchObject({ code: 0 })
  await telegramSays('You said: The morning report')
})

test('what is too long for one message comes in parts, in order and whole', async () => {
  const { telegram } = platforms
  telegram.say('Tell me everything.')
  const last = paragraphs.at(-1) ?? ''
  await telegramSays(last)
  expect(telegram.sent.length).toBeGreaterThan(1)
  for (const message of telegram.sent) expect(shown(message).length).toBeLessThanOrEqual(most)
  const words = telegram.sent.map(shown).join(' ').split(/\s+/)
  expect(words).toEqual(paragraphs.join(' ').split(/\s+/))
})

test('a platform that asks to wait is not asked again before', async () => {
  const { telegram } = platforms
  const times: number[] = []
  const note = (method: string) => void (method === 'sendMessage' && times.push(Date.now()))
  telegram.events.on('request', note)
  telegram.refuseNext(1, 429, 'Too Many Requests: retry after 2', {
    only: /sendMessage/,
    parameters: { retry_after: 2 },
  })
  telegram.say('Not so fast.')
  await telegramSays('You said: Not so fast.')
  telegram.events.off('request', note)
  const [refused = 0, taken = 0] = times
  expect(times).toHaveLength(2)
  expect(taken - refused).toBeGreaterThanOrEqual(2_000)
})

test('what the platform refuses for good is a dead letter, and is sent once it is replayed', async () => {
  const { telegram } = platforms
  telegram.blocked.add(telegramUser.id)
  telegram.say('Can you hear me?')
  await eventually('it is a dead letter', async () => (await statusOf('telegram'))?.dead_letters === 1, deadlineMs)
  const { stdout } = await command('channels', 'dead-letters')
  expect(stdout).toMatch(/telegram +200000001 .* 403 +Telegram refused: Forbidden.* You said: Can you hear me\?/)
  expect((await command('doctor')).stdout).toContain('telegram: 1 message could not be sent')
  telegram.blocked.clear()
  expect((await command('channels', 'replay', '--all')).code).toBe(0)
  await telegramSays('You said: Can you hear me?')
  expect((await command('channels', 'dead-letters')).stdout).toBe('There are no dead letters.\n')
})

test('a question is answered on every other platform at once', async () => {
  const { whatsapp, discord, slack, matrix, signal, mail } = platforms
  expect(await whatsapp.subscribe(`${daemon.url}/api/webhooks/whatsapp`)).toBe(true)
  whatsapp.say('ping from WhatsApp')
  discord.say(`<@${discordBotId}> ping from Discord`, { guild_id: discordGuild, mentions: [{ id: discordBotId }] })
  const file = { url_private: slack.hostFile('dot.png', png, 'image/png'), name: 'dot.png', mimetype: 'image/png' }
  slack.deliver(slack.message('ping from Slack', { subtype: 'file_share', files: [{ id: 'F1', ...file }] }))
  matrix.say(matrixRoom, 'ping from Matrix')
  signal.say('ping from Signal')
  await mail.deliver({ from: `Ada <${mailPerson}>`, subject: 'A question', text: 'ping from mail' })
  const answers: Record<string, () => string | undefined> = {
    WhatsApp: () => whatsapp.sent.find(({ text }) => text.includes('ping'))?.text,
    Discord: () => discord.sent.find(({ content }) => content.includes('ping'))?.content,
    Slack: () => slack.sent.find(({ text }) => text.includes('ping'))?.text,
    Matrix: () => matrix.sent.map(({ event }) => String(event.content.body)).find((text) => text.includes('ping')),
    Signal: () => signal.sent.map(({ message }) => String(message)).find((text) => text.includes('ping')),
    mail: () => mail.sent.find(({ parsed }) => parsed.text?.includes('ping'))?.parsed.text,
  }
  await eventually('all have answered', () => Object.values(answers).every((answer) => answer() !== undefined), 30_000)
  for (const [name, answer] of Object.entries(answers))
    expect(answer()).toMatch(new RegExp(`You said: [^]*ping from ${name}`))
  expect(answers.Slack?.()).toMatch(/\[image: media\/slack\/\S+, image\/png, \d+ bytes\]/)
  expect(signal.sent[0]).toMatchObject({ recipient: [signalPerson] })
  expect(mail.sent[0]?.parsed.subject).toBe('Re: A question')
  const status = await daemon.client.channels.listChannels()
  for (const { name, mode, messages_received, messages_sent } of status)
    if (mode !== 'local') expect([name, messages_received > 0, messages_sent > 0]).toEqual([name, true, true])
}, 40_000)

test('a command is one by mail as well, whatever the subject', async () => {
  const { mail } = platforms
  await mail.deliver({
    from: mailPerson,
    subject: 'Re: A question',
    text: '/status\n\nOn Monday Keel wrote:\n> ping\n',
  })
  await eventually(
    'it is answered',
    () => mail.sent.some(({ parsed }) => parsed.text?.includes('is running')),
    deadlineMs,
  )
})

test('set to webhooks, Telegram is told where to send, and what it sends is answered', async () => {
  const { telegram } = platforms
  const settings = { webhook_mode: true, public_url: daemon.url }
  await daemon.client.config.updateConfig({ body: { channels: { telegram: settings } } })
  await eventually('Telegram knows the address', () => telegram.webhook !== null, deadlineMs)
  expect(telegram.webhook).toMatchObject({ url: `${daemon.url}/api/webhooks/telegram`, secret_token: telegramSecret })
  telegram.say('By webhook now.')
  await telegramSays('You said: By webhook now.')
  expect(telegram.pending).toEqual([])
  const forged = await fetch(`${daemon.url}/api/webhooks/telegram`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': 'a guess' },
    body: JSON.stringify({ update_id: 1, message: telegram.message({ text: 'Forged.' }) }),
  })
  expect(forged.status).toBe(401)
  expect(await statusOf('telegram')).toMatchObject({ connected: true, mode: 'webhook' })
})

test('no token has reached the log', () => {
  const folder = join(daemon.home, 'logs')
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
  const logged = [daemon.output(), ...files].join('\n')
  expect(logged).toContain('not sent yet')
  for (const secret of platforms.secrets) expect(logged).not.toContain(secret)
})
