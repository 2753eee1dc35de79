import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { type FakeCall, fakeKeel, keel } from '../support/cli-run.ts'
import { tempHome } from '../support/temp-home.ts'

const moment = '2025-01-31T09:15:02.123Z'
const clock = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.source

const capabilities = {
  markup: 'markdown_v2',
  text_most: 4_096,
  text_unit: 'utf16',
  file_bytes: 52_428_800,
  threads: true,
  edits: true,
  typing: true,
  buttons: true,
  groups: true,
  idempotency: 'none',
}

const channel = (name: string, fields: Record<string, unknown> = {}) => ({
  name,
  connected: false,
  configured: false,
  messages_received: 0,
  messages_sent: 0,
  last_error: null,
  last_activity: null,
  mode: 'polling',
  queue_depth: 0,
  dead_letters: 0,
  capabilities,
  ...fields,
})

const { capabilities: _, ...web } = channel('web', { connected: true, configured: true, mode: 'local' })
const { capabilities: __, ...a2a } = channel('a2a', { mode: 'local', sessions_active: 0 })
const channels = [
  web,
  channel('email', { last_error: 'channels.email: authserv_id is not set' }),
  channel('slack', { configured: true, last_error: 'Slack refused:\n\u001b[2Jinvalid_auth', mode: 'gateway' }),
  channel('telegram', { configured: true, connected: true, messages_received: 3, messages_sent: 4, dead_letters: 2 }),
  channel('whatsapp', { capabilities: { ...capabilities, edits: false, idempotency: 'key' } }),
  a2a,
]

const letter = (id: string, fields: Record<string, unknown> = {}) => ({
  id,
  channel: 'telegram',
  recipient_id: '-1001',
  content: `first line of ${id}\nand a second`,
  idempotency_key: `turn:${id}`,
  attempts: 1,
  max_attempts: 5,
  last_error: 'Telegram refused: Forbidden',
  error_code: '403',
  thread_id: null,
  created_at: moment,
  ...fields,
})

const sending = (id: string, fields: Record<string, unknown> = {}) => ({
  ...letter(id, { last_error: null, error_code: null }),
  status: 'pending',
  parts_sent: 0,
  next_retry_at: moment,
  delivered_at: null,
  turn_id: null,
  ...fields,
})

/** A Keel that answers so; `at` runs `keel channels …` against it. */
async function scene(routes: Record<string, unknown>, name = 'channels') {
  const { url, calls } = await fakeKeel(routes)
  const at = (...words: string[]) => keel(['--url', url, '--api-key', 'k', name, ...words])
  return { at, calls, sent: () => calls.filter(({ route }) => !route.startsWith('GET ')) }
}

test('list shows how each channel does, and nothing that a terminal would act on', async () => {
  const { at } = await scene({ 'GET /api/channels/status': channels })
  const { stdout } = await at('list')
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(/^NAME +STATE +MODE +RECEIVED +SENT +WAITING +DEAD +LAST ERROR$/)
  expect(lines[1]).toMatch(/^web +connected +local +0 +0 +0 +0 +–$/)
  expect(lines[2]).toMatch(/^email +not set up +polling .* channels.email: authserv_id is not set$/)
  expect(lines[3]).toMatch(/^slack +not connected +gateway .* Slack refused: .*invalid_auth$/)
  expect(lines[4]).toMatch(/^telegram +connected +polling +3 +4 +0 +2 +–$/)
  expect(lines[6]).toMatch(/^a2a +off +local /)
  expect(stdout).not.toContain('\u001b')
  expect(JSON.parse((await at('list', '--json')).stdout)).toEqual(channels)
})

test('list --capabilities shows what each platform can do; `channel` is the same command', async () => {
  const { at } = await scene({ 'GET /api/channels/status': channels }, 'channel')
  const lines = (await at('list', '--capabilities')).stdout.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^NAME +MARKUP +TEXT +FILES +THREADS +EDITS +TYPING +BUTTONS +GROUPS +SENT TWICE$/)
  expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual(['email', 'slack', 'telegram', 'whatsapp'])
  expect(lines[3]).toMatch(/^telegram +markdown_v2 +4096 utf16 +50 MiB +yes +yes +yes +yes +yes +shown twice$/)
  expect(lines[4]).toMatch(/^whatsapp +markdown_v2 +4096 utf16 +50 MiB +yes +– +yes +yes +yes +shown once$/)
})

test('pair shows the code, what is to be written and until when', async () => {
  const { at, sent } = await scene({
    'POST /api/channels/adapters/telegram/pair': ({ body }: FakeCall) => ({
      channel: 'telegram',
      code: 'AB2CD3EF',
      authority: (body as { authority?: string }).authority ?? 'Peer',
      expires_at: moment,
    }),
  })
  const { stdout } = await at('pair', 'telegram')
  expect(stdout).toContain('│ A B 2 C D 3 E F │')
  expect(stdout).toContain('  /pair AB2CD3EF\n')
  expect(stdout).toMatch(new RegExp(`It makes one person Peer, and is good until ${clock}\\.\n$`))
  expect((await at('pair', 'telegram', '--authority', 'Creator')).stdout).toContain('one person Creator')
  expect(sent().map(({ body }) => body)).toEqual([{}, { authority: 'Creator' }])
  const wrong = await at('pair', 'telegram', '--authority', 'Root')
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('Allowed choices are Peer, Creator')])
  expect(JSON.parse((await at('pair', 'telegram', '--json')).stdout)).toMatchObject({ code: 'AB2CD3EF' })
})

test('peers shows who is paired, and unpair ends it', async () => {
  const peer = { id: 'p1', channel: 'telegram', sender_id: '200', sender_name: 'Ada\nB', chat_id: '200' }
  const { at, sent } = await scene({
    'GET /api/channels/peers': { peers: [{ ...peer, authority: 'Peer', paired_at: moment }] },
    'DELETE /api/channels/peers/p1': { deleted: true, id: 'p1' },
  })
  const lines = (await at('peers')).stdout.split('\n')
  expect(lines[0]).toMatch(/^ID +CHANNEL +NAME +SENDER +CHAT +AUTHORITY +PAIRED$/)
  expect(lines[1]).toMatch(new RegExp(`^p1 +telegram +Ada B +200 +200 +Peer +${clock}$`))
  expect((await at('unpair', 'p1')).stdout).toBe('p1 is not paired any more.\n')
  expect(sent().map(({ route }) => route)).toEqual(['DELETE /api/channels/peers/p1'])
  const { at: empty } = await scene({ 'GET /api/channels/peers': { peers: [] } })
  expect((await empty('peers')).stdout).toBe('Nobody is paired. Make a code with: keel channels pair CHANNEL\n')
})

test('test says who Keel is there, sends where it is told to, and ends with 1 where the platform refuses', async () => {
  const answer = { channel: 'telegram', identity: '@keel_bot (7)', error: null, delivery_id: null, ok: true }
  const { at, sent } = await scene({
    'POST /api/channels/adapters/telegram/test': ({ body }: FakeCall) => ({
      ...answer,
      ...((body as { chat_id?: string }).chat_id !== undefined && { delivery_id: 'd1' }),
    }),
    'POST /api/channels/adapters/slack/test': {
      ...answer,
      ...{ channel: 'slack', ok: false, identity: null, error: 'Slack refused: invalid_auth' },
    },
  })
  expect(await at('test', 'telegram')).toEqual({
    code: 0,
    stdout: 'On telegram Keel is @keel_bot (7).\n',
    stderr: '',
  })
  expect((await at('test', 'telegram', '--chat', '-1001', '--text', 'hi')).stdout).toContain(
    'A message is on its way (d1).',
  )
  expect(sent().map(({ body }) => body)).toEqual([{}, { chat_id: '-1001', text: 'hi' }])
  const refused = await at('test', 'slack')
  expect([refused.code, refused.stdout]).toEqual([1, ''])
  expect(refused.stderr.trimEnd()).toBe('slack: Slack refused: invalid_auth')
  const json = await at('test', 'slack', '--json')
  expect([json.code, JSON.parse(json.stdout).error]).toEqual([1, 'Slack refused: invalid_auth'])
  expect(await at('test', 'telegram', '--text', 'hi')).toMatchObject({ code: 1, stderr: '--text needs --chat\n' })
})

test('send takes chats whose number is negative, and words as they come', async () => {
  const { at, sent } = await scene({
    'POST /api/channels/adapters/telegram/send': { delivery_id: 'd2', status: 'pending' },
  })
  expect((await at('send', 'telegram', '-1001234567890', 'Hello', '*there*')).stdout).toBe('It is on its way (d2).\n')
  await at('send', 'telegram', '42', 'Hello', '--thread', '7')
  expect(sent().map(({ body }) => body)).toEqual([
    { chat_id: '-1001234567890', text: 'Hello *there*' },
    { chat_id: '42', text: 'Hello', thread_id: '7' },
  ])
  const unknown = await at('send', 'pigeon', '42', 'Hello')
  expect([unknown.code, unknown.stderr]).toEqual([1, 'not found\n'])
})

test('dead-letters shows what could not be sent and why', async () => {
  const { at, calls } = await scene({ 'GET /api/channels/dead-letter': { items: [letter('l1')], count: 1 } })
  const lines = (await at('dead-letters', '-n', '3')).stdout.split('\n')
  expect(calls[0]?.url).toBe('/api/channels/dead-letter?limit=3')
  expect(lines[0]).toMatch(/^ID +CHANNEL +TO +SINCE +TRIES +CODE +ERROR +TEXT$/)
  expect(lines[1]).toMatch(
    new RegExp(`^l1 +telegram +-1001 +${clock} +1 +403 +Telegram refused: Forbidden +first line of l1 and a second$`),
  )
  const { at: none } = await scene({ 'GET /api/channels/dead-letter': { items: [], count: 0 } })
  expect((await none('dead-letters')).stdout).toBe('There are no dead letters.\n')
})

test('replay and discard take one dead letter, or all, and never all by accident', async () => {
  const { at, sent } = await scene({
    'GET /api/channels/dead-letter': { items: [letter('l1'), letter('l2')], count: 2 },
    'POST /api/channels/dead-letter/l1/replay': { ok: true, id: 'l1', status: 'pending' },
    'POST /api/channels/dead-letter/l2/replay': { ok: true, id: 'l2', status: 'pending' },
    'DELETE /api/channels/dead-letter/l1': { ok: true, id: 'l1', status: 'discarded' },
    'DELETE /api/channels/dead-letter/l2': { ok: true, id: 'l2', status: 'discarded' },
  })
  expect((await at('replay', 'l1')).stdout).toBe('l1 is sent again.\n')
  expect((await at('replay', '--all')).stdout).toBe('2 dead letters are sent again.\n')
  expect((await at('discard', 'l1')).stdout).toBe('l1 is discarded.\n')
  const before = sent().length
  expect(await at('discard', '--all')).toMatchObject({
    stdout: '',
    stderr: expect.stringContaining('Nothing was discarded. Without a terminal, say --yes.'),
  })
  for (const words of [['replay'], ['discard'], ['replay', 'l1', '--all'], ['discard', 'l1', '--all', '-y']])
    expect(await at(...words)).toMatchObject({ code: 1, stderr: 'Say which: its id, or --all\n' })
  expect(sent()).toHaveLength(before)
  expect(JSON.parse((await at('discard', '--all', '--yes', '--json')).stdout)).toEqual({ discarded: ['l1', 'l2'] })
  expect(sent().map(({ route }) => route)).toEqual([
    'POST /api/channels/dead-letter/l1/replay',
    'POST /api/channels/dead-letter/l1/replay',
    'POST /api/channels/dead-letter/l2/replay',
    'DELETE /api/channels/dead-letter/l1',
    'DELETE /api/channels/dead-letter/l1',
    'DELETE /api/channels/dead-letter/l2',
  ])
})

test('outbox shows what waits, until when, and what was sent', async () => {
  const later = new Date(Date.now() + 3_600_000).toISOString()
  const { at, calls } = await scene({
    'GET /api/channels/outbox': {
      deliveries: [
        sending('o1', { next_retry_at: later, attempts: 2, last_error: 'Telegram could not be reached' }),
        sending('o2'),
        sending('o3', { status: 'delivered', delivered_at: moment }),
      ],
      count: 3,
    },
  })
  const lines = (await at('outbox', '--channel', 'telegram', '--status', 'pending', '-n', '5')).stdout.split('\n')
  const { searchParams } = new URL(calls[0]?.url ?? '', 'http://x')
  expect(Object.fromEntries(searchParams)).toEqual({ channel: 'telegram', status: 'pending', limit: '5' })
  expect(lines[0]).toMatch(/^ID +CHANNEL +TO +SINCE +STATUS +TRIES +NEXT +ERROR +TEXT$/)
  expect(lines[1]).toMatch(/^o1 +telegram .* pending +2 +in 59 min 5\d s +Telegram could not be reached +first line/)
  expect(lines[2]).toMatch(/^o2 .* pending +1 +now +– +first line/)
  expect(lines[3]).toMatch(/^o3 .* delivered +1 +– +– +first line/)
  expect((await at('outbox', '--channel', 'pigeon')).stderr).toContain('Allowed choices are telegram')
})

test('restart starts one adapter anew', async () => {
  const { at } = await scene({
    'POST /api/channels/adapters/telegram/restart': { ok: true, channel: 'telegram' },
  })
  expect((await at('restart', 'telegram')).stdout).toBe(
    'telegram is started anew; the other channels go on as they are.\n',
  )
})

test('doctor tells of channels that are set up and not connected, and of dead letters', async () => {
  const { url } = await fakeKeel({ 'GET /api/channels/status': channels })
  const options = ['--url', url, '--api-key', 'k', '--home', tempHome().root]
  const { findings } = JSON.parse((await keel(['doctor', '--json', ...options])).stdout)
  const found = findings.filter(({ check }: { check: string }) => check === 'channel')
  expect(found).toEqual([
    {
      check: 'channel',
      status: 'broken',
      message: 'channels.email: authserv_id is not set',
      fix: 'see docs/channels.md',
    },
    {
      check: 'channel',
      status: 'broken',
      message: 'slack is not connected: Slack refused:\n\u001b[2Jinvalid_auth',
      fix: 'keel channels test slack',
    },
    { check: 'channel', status: 'ok', message: 'telegram is connected' },
    {
      check: 'channel',
      status: 'warning',
      message: 'telegram: 2 messages could not be sent',
      fix: 'keel channels dead-letters',
    },
  ])
  const { url: closed } = await fakeKeel({
    'GET /api/channels/status': (_: FakeCall, response: ServerResponse) =>
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"unauthorized"}'),
  })
  const refused = await keel(['doctor', '--json', '--url', closed, '--api-key', 'k', '--home', tempHome().root])
  expect(JSON.parse(refused.stdout).findings.map(({ check }: { check: string }) => check)).not.toContain('channel')
})
