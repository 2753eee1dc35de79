import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { SendOutcome } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { type ChannelsScene, openChannels, outboundMessage } from '../support/channels-service.ts'
import { eventually } from '../support/daemon.ts'
import { type Oddity, oddFileBytes } from '../support/platforms/odd-adapter.ts'

// The threads' own lines would stand among the test's.
process.env.KEEL_LOG_LEVEL = 'silent'

const send = ({ client }: ChannelsScene, channel: PlatformName, text: string): Promise<SendOutcome> =>
  client.send({ ...outboundMessage({ text }), channel })

test('an adapter starts, connects, and does what it is asked', async () => {
  const scene = await openChannels({ signal: 'calm' })
  const sent: unknown[] = []
  const message = { ...outboundMessage(), channel: 'signal' as const }
  const onChunk = (chunk: unknown) => void sent.push(chunk)
  expect(await scene.client.send(message, { onChunk })).toEqual({ status: 'sent' })
  expect(sent).toEqual([{ part: 0, parts: 1, message_id: 'key/0' }])
  expect(await scene.untilState('signal', 'connected')).toMatchObject({
    mode: 'gateway',
    last_error: null,
    failures: 0,
  })
  const told = () => scene.reports.map(({ state }) => state).filter((state, at, all) => state !== all[at - 1])
  // The host knows it a moment before it is told.
  await eventually('it is told', () => told().includes('connected'))
  expect(told()).toEqual(['starting', 'connected'])
  const draft = { channel: 'signal', chat_id: 'chat', thread_id: null, text: '**so** far', reply_to: null } as const
  expect(await scene.client.draft({ ...draft, message_id: null })).toEqual({ message_id: 'draft of so far' })
  const { updates } = await scene.client.parse({ channel: 'signal', body: '{"id":"u","repeat":2}' })
  expect(updates.map(({ external_id }) => external_id)).toEqual(['u0', 'u1'])
  expect(await scene.client.check({ channel: 'signal' })).toEqual({ ok: true, identity: 'Keel, Keel', error: null })
  await eventually('its last activity is known', async () => (await scene.state('signal'))?.last_activity !== null)
})

test('media come in pieces, and no more of them than asked for', async () => {
  const scene = await openChannels({ signal: 'calm' })
  let bytes = 0
  const onChunk = ({ data }: { data: string }) => {
    bytes += Buffer.from(data, 'base64').length
  }
  const wanted = { channel: 'signal', kind: 'image', ref: 'file', max_bytes: oddFileBytes } as const
  expect(await scene.client.fetchMedia(wanted, { onChunk })).toEqual({
    content_type: 'image/png',
    filename: null,
    size_bytes: oddFileBytes,
  })
  expect(bytes).toBe(oddFileBytes)
  await expect(scene.client.fetchMedia({ ...wanted, ref: 'endless' }, { onChunk })).rejects.toMatchObject({
    kind: 'too_large',
  })
})

test('while one adapter hangs and another crashes again and again, the third goes on answering', async () => {
  const scene = await openChannels({ telegram: 'loops for ever', whatsapp: 'exits the process', signal: 'calm' })
  await scene.untilState('signal', 'connected')
  const crashesOf = async (name: PlatformName) => (await scene.state(name))?.failures ?? 0
  let answers = 0
  while ((await crashesOf('telegram')) < 2 || (await crashesOf('whatsapp')) < 3) {
    expect(await send(scene, 'signal', 'still here')).toEqual({ status: 'sent' })
    answers += 1
    await delay(5)
  }
  expect(answers).toBeGreaterThan(20)
  expect(await scene.state('telegram')).toMatchObject({ state: 'backing_off', last_error: 'It hangs' })
  expect(await scene.state('whatsapp')).toMatchObject({ state: 'backing_off', last_error: 'It ended with code 3' })
  expect(await scene.state('signal')).toMatchObject({ state: 'connected', failures: 0 })
})

const ends: [Oddity, string][] = [
  ['throws at start', 'bot ***:*** is gone'],
  ['has no mode', 'It does not say how it receives'],
  ['rejects unhandled', 'nobody handles this'],
  ['throws late', 'thrown out of nowhere'],
  ['leaks its heap', 'Worker terminated due to reaching memory limit: JS heap out of memory'],
  ['leaks buffers', 'It holds too much memory'],
]

test.each(ends)(
  'an adapter that %s is started again, and says why it ended',
  async (oddity, reason) => {
    // A heap that is nearly full leaves little time for answers.
    const scene = await openChannels({ discord: oddity, signal: 'calm' }, { times: { heartbeatMs: 1_000 } })
    await eventually('it has ended twice', async () => ((await scene.state('discord'))?.failures ?? 0) >= 2, 40_000)
    expect(scene.reports).toContainEqual(
      expect.objectContaining({ name: 'discord', state: 'backing_off', last_error: reason, failures: 1 }),
    )
    expect(await send(scene, 'signal', 'hello')).toEqual({ status: 'sent' })
  },
  60_000,
)

test('an adapter that does not come up in time is ended', async () => {
  const scene = await openChannels({ discord: 'hangs at start' }, { times: { readyMs: 30 } })
  const { last_error } = await scene.untilState('discord', 'backing_off')
  expect(last_error).toBe('It did not start within 30 ms')
})

test('a lost connection is made again on the same thread', async () => {
  const scene = await openChannels({ discord: 'loses its connection' })
  await eventually('it was lost three times', async () => ((await scene.state('discord'))?.failures ?? 0) >= 3, 15_000)
  expect(await send(scene, 'discord', 'hello')).toEqual({ status: 'sent' })
  expect(scene.lines.join()).not.toContain('started again')
})

test('what hangs within a send ends with its deadline, and holds up no other message', async () => {
  const scene = await openChannels({ signal: 'calm' })
  const late = expect.objectContaining({ status: 'retry', code: null, error: expect.stringContaining('400 ms') })
  const hung = Promise.all([send(scene, 'signal', 'hang'), send(scene, 'signal', 'wait')])
  expect(await send(scene, 'signal', 'hello')).toEqual({ status: 'sent' })
  expect(await hung).toEqual([late, late])
})

test('a message that makes its thread hang or end is to be tried again', async () => {
  const scene = await openChannels({ signal: 'calm' })
  for (const [at, text] of ['loop', 'exit'].entries()) {
    expect(await send(scene, 'signal', text)).toMatchObject({ status: 'retry', code: null })
    const ended = () => scene.reports.filter(({ state }) => state === 'backing_off').length
    await eventually('the thread has ended', () => ended() === at + 1, 15_000)
    await scene.untilState('signal', 'connected')
  }
  expect(await send(scene, 'signal', 'hello')).toEqual({ status: 'sent' })
})

test('outcomes are told by the platform’s code', async () => {
  const scene = await openChannels({ signal: 'calm' })
  expect(await send(scene, 'signal', 'refuse')).toEqual({
    status: 'failed',
    error: 'Forbidden: the bot was blocked',
    code: '403',
  })
  expect(await send(scene, 'signal', 'limit')).toEqual({
    status: 'retry',
    error: 'Too many requests',
    code: '429',
    retry_after_ms: 1_501,
  })
  expect(await send(scene, 'signal', 'fail by Bearer abcdefgh12345678')).toMatchObject({
    status: 'retry',
    error: 'by Bearer ***',
    code: null,
  })
  const draft = { channel: 'signal', chat_id: 'chat', thread_id: null, message_id: null, reply_to: null } as const
  await expect(scene.client.draft({ ...draft, text: 'limit' })).rejects.toMatchObject({
    kind: 'upstream_failed',
    message: 'Too many',
    details: { code: '429', permanent: false, retry_after_ms: 7 },
  })
})

test('every call but a send has a deadline too', async () => {
  const scene = await openChannels({ signal: 'calm', discord: 'silent' }, { times: { draftMs: 100, checkMs: 100 } })
  const draft = { channel: 'signal', chat_id: 'chat', thread_id: null, message_id: null, reply_to: null } as const
  await expect(scene.client.draft({ ...draft, text: 'hang' })).rejects.toMatchObject({ kind: 'timeout' })
  expect(await scene.client.check({ channel: 'discord' })).toMatchObject({
    ok: false,
    error: expect.stringContaining('100 ms'),
  })
})

test('while a thread waits to be started again, a send is to be retried and all else is unavailable', async () => {
  const scene = await openChannels(
    { discord: 'throws at start' },
    { times: { restart: { firstMs: 30_000, mostMs: 30_000 } } },
  )
  await scene.untilState('discord', 'backing_off')
  const outcome = await send(scene, 'discord', 'hello')
  expect(outcome).toMatchObject({ status: 'retry', code: null })
  expect(outcome.status === 'retry' && outcome.retry_after_ms).toBeGreaterThan(20_000)
  const refused = expect.objectContaining({ kind: 'unavailable' })
  await expect(scene.client.parse({ channel: 'discord', body: '{}' })).rejects.toEqual(refused)
  expect(await scene.client.check({ channel: 'discord' })).toMatchObject({ ok: false })
})

test('sending that fails five times in a row rests, and goes on once one message gets through', async () => {
  const scene = await openChannels({ signal: 'calm' })
  // The platform answers these: what is wrong is the message.
  for (let n = 0; n < 6; n++) expect(await send(scene, 'signal', 'refuse')).toMatchObject({ status: 'failed' })
  for (let n = 0; n < 4; n++) expect(await send(scene, 'signal', 'fail')).toMatchObject({ status: 'retry' })
  expect(await send(scene, 'signal', 'one between')).toEqual({ status: 'sent' })
  for (let n = 0; n < 5; n++) expect(await send(scene, 'signal', 'fail because')).toMatchObject({ error: 'because' })
  const rests = { status: 'retry', code: null, error: 'Signal takes no messages for now' }
  const rested = await send(scene, 'signal', 'hello')
  expect(rested).toMatchObject(rests)
  const waitMs = rested.status === 'retry' ? (rested.retry_after_ms ?? 0) : 0
  expect(waitMs).toBeGreaterThan(0)
  await delay(waitMs)
  const [probe, other] = await Promise.all([send(scene, 'signal', 'fail again'), send(scene, 'signal', 'hello')])
  expect(probe).toMatchObject({ error: 'again' })
  expect(other).toMatchObject(rests)
  const longer = await send(scene, 'signal', 'hello')
  const longerMs = longer.status === 'retry' ? (longer.retry_after_ms ?? 0) : 0
  expect(longerMs).toBeGreaterThan(400)
  await delay(longerMs)
  for (let n = 0; n < 3; n++) expect(await send(scene, 'signal', 'hello')).toEqual({ status: 'sent' })
})

test('a change of settings touches the adapter that it is about alone', async () => {
  const scene = await openChannels({ telegram: 'calm', signal: 'calm' })
  await Promise.all([scene.untilState('telegram', 'connected'), scene.untilState('signal', 'connected')])
  const connected = () => scene.reports.filter(({ state }) => state === 'connected').map(({ name }) => name)
  await eventually('the kernel has heard of both', () => connected().length === 2, 15_000)
  const before = scene.reports.length
  await scene.configure({ telegram: 'calm', signal: 'calm' })
  expect(scene.reports.length).toBe(before)
  await scene.configure({ telegram: 'silent', signal: 'calm', discord: 'calm' })
  await scene.untilState('discord', 'connected')
  const told = scene.reports.slice(before)
  expect(told.filter(({ name }) => name === 'signal')).toEqual([])
  expect(told).toContainEqual(expect.objectContaining({ name: 'telegram', state: 'starting' }))
  await scene.configure({ signal: 'calm', discord: 'calm' })
  await eventually('the kernel is told', () => scene.reports.at(-1)?.state === 'stopped', 15_000)
  expect(scene.reports.at(-1)).toMatchObject({ name: 'telegram' })
  expect((await scene.client.status({})).adapters.map(({ name }) => name)).toEqual(['signal', 'discord'])
})

test('what is not configured is no failure of the message, and nothing to ask', async () => {
  const scene = await openChannels({})
  expect(await send(scene, 'matrix', 'hello')).toEqual({
    status: 'retry',
    error: 'Matrix is not configured',
    code: null,
    retry_after_ms: null,
  })
  await expect(scene.client.parse({ channel: 'matrix', body: '{}' })).rejects.toMatchObject({ kind: 'not_found' })
  await expect(scene.client.restart({ channel: 'matrix' })).rejects.toMatchObject({ kind: 'not_found' })
  expect(await scene.client.check({ channel: 'matrix' })).toMatchObject({ ok: false })
})

test('a restart lets a message under way come to its end, and starts anew', async () => {
  const scene = await openChannels({ signal: 'calm' })
  await scene.untilState('signal', 'connected')
  const underWay = send(scene, 'signal', 'wait')
  // What came later has been answered, so that the message is under way.
  expect(await send(scene, 'signal', 'hello')).toEqual({ status: 'sent' })
  await scene.client.restart({ channel: 'signal' })
  expect(await underWay).toMatchObject({ status: 'retry', error: expect.stringContaining('400 ms') })
  expect(await send(scene, 'signal', 'hello')).toEqual({ status: 'sent' })
  expect(scene.reports.map(({ state }) => state)).not.toContain('backing_off')
})

test('an adapter that will not stop is ended', async () => {
  const scene = await openChannels({ signal: 'will not stop' })
  await scene.untilState('signal', 'connected')
  await scene.configure({})
  expect((await scene.client.status({})).adapters).toEqual([])
})

test('a flood of updates costs the one that sends them, and each is kept in its order', async () => {
  const scene = await openChannels({ discord: 'floods accept', signal: 'calm' })
  await eventually('many were handed over', () => scene.accepted.length > 200, 20_000)
  for (let n = 0; n < 20; n++) expect(await send(scene, 'signal', 'still here')).toEqual({ status: 'sent' })
  await scene.configure({ signal: 'calm' })
  // A thread that drowned in its own flood begins anew.
  const cursors = scene.accepted.map(({ cursor }) => Number(cursor))
  for (const [at, cursor] of cursors.entries()) expect([0, (cursors[at - 1] ?? -1) + 1]).toContain(cursor)
})

test('updates that are no updates are dropped alone', async () => {
  const scene = await openChannels({ discord: 'hands over nonsense' })
  await scene.untilState('discord', 'connected')
  expect(scene.accepted.map(({ updates, cursor }) => [updates.map((one) => one.external_id), cursor])).toEqual([
    [['first', 'last'], 'after'],
  ])
})

test('updates wait for a kernel that can not take them now', async () => {
  let refusals = 0
  const taken: string[] = []
  const scene = await openChannels(
    { discord: 'hands over nonsense' },
    {
      kernel: {
        accept({ updates }) {
          if (refusals++ < 3) throw new RuntimeError('unavailable')
          taken.push(...updates.map(({ external_id }) => external_id))
          return { accepted: updates.length }
        },
      },
    },
  )
  expect(await scene.untilState('discord', 'connected')).toMatchObject({ failures: 0 })
  expect(taken).toEqual(['first', 'last'])
})

test('after updates that could not be kept no later ones are, until the adapter begins again', async () => {
  let refused = false
  const taken: string[] = []
  const scene = await openChannels(
    { discord: 'hands over after a loss' },
    {
      kernel: {
        accept({ updates, cursor }) {
          if (!refused) {
            refused = true
            throw new RuntimeError('conflict', 'The disk is full')
          }
          taken.push(`${cursor}`)
          return { accepted: updates.length }
        },
      },
    },
  )
  await scene.untilState('discord', 'connected')
  expect(taken).toEqual(['1', '2'])
  expect(scene.reports).toContainEqual(
    expect.objectContaining({ state: 'backing_off', last_error: 'The disk is full' }),
  )
})
