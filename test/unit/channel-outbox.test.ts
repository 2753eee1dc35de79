import { expect, test } from 'vitest'
import { maxOpenDeliveries } from '#kernel/channels/outbox.ts'
import { backOffMs, deaths } from '#kernel/channels/outbox-pump.ts'
import { insertDelivery, type NewDelivery } from '#kernel/store/channel-outbox.ts'
import type { SendOutcome } from '#sdk/channels/message.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { type ChannelScene, channelScene } from '../support/channel-scene.ts'
import { eventually } from '../support/daemon.ts'

const retry = (more: Partial<Extract<SendOutcome, { status: 'retry' }>> = {}): SendOutcome => ({
  status: 'retry',
  error: 'the platform is busy',
  code: null,
  retry_after_ms: null,
  ...more,
})
const failed: SendOutcome = { status: 'failed', error: 'bot was blocked', code: '403' }

let keys = 0
function queue({ channels }: ChannelScene, given: Partial<NewDelivery> = {}) {
  return channels.outbox.queue({
    channel: 'telegram',
    chat_id: '42',
    thread_id: null,
    text: 'hello',
    key: `key-${++keys}`,
    ...given,
  }).row
}

/** The row, once its wait is known. */
const rowOf = ({ outbox }: ChannelScene, id: string) => {
  const row = outbox().find((one) => one.id === id)
  if (!row) throw new Error(`there is no delivery ${id}`)
  return row
}

/** Makes what waits due now, as if its time had passed. */
function hurry({ store, channels }: ChannelScene): void {
  store.write.exec(`UPDATE channel_outbox SET next_retry_at = '2020-01-01T00:00:00.000Z' WHERE status = 'pending'`)
  channels.noteService(true)
}

test('a message is kept before it is sent, under its key once', async () => {
  const scene = await channelScene({ opens: false })
  const first = queue(scene, { key: 'same' })
  expect(queue(scene, { key: 'same', text: 'other' }).id).toBe(first.id)
  expect(scene.service.sent).toEqual([])
  expect(scene.outbox()).toMatchObject([{ status: 'pending', content: 'hello', attempts: 0, parts_sent: 0 }])
  await scene.channels.start({ announces: false })
  await scene.settled()
  expect(scene.service.sent).toMatchObject([{ idempotency_key: 'same', text: 'hello', delivery_id: first.id }])
  expect(scene.outbox()[0]).toMatchObject({
    status: 'delivered',
    attempts: 1,
    parts_sent: 1,
    message_ids_json: `["m-${first.id}"]`,
  })
  expect(scene.eventsOf('delivery_sent')).toMatchObject([{ id: first.id, channel: 'telegram', attempts: 1 }])
})

test('one conversation is sent to in order, one message at a time, and waits where its first has to', async () => {
  const scene = await channelScene()
  let inFlight = 0
  let most = 0
  const outcomes: SendOutcome[] = [retry()]
  scene.service.onSend = async () => {
    inFlight += 1
    most = Math.max(most, inFlight)
    await new Promise(setImmediate)
    inFlight -= 1
    return outcomes.shift() ?? { status: 'sent' }
  }
  const ids = ['1', '2', '3'].map((text) => queue(scene, { text }).id)
  const other = queue(scene, { text: 'elsewhere', chat_id: '43' })
  await eventually('the other conversation goes on', () => rowOf(scene, other.id).status === 'delivered')
  expect(ids.map((id) => rowOf(scene, id).status)).toEqual(['pending', 'pending', 'pending'])
  await eventually('its wait is known', () => rowOf(scene, ids[0] ?? '').attempts === 1)
  hurry(scene)
  await scene.settled()
  expect(scene.service.sent.filter(({ chat_id }) => chat_id === '42').map(({ text }) => text)).toEqual([
    '1',
    '1',
    '2',
    '3',
  ])
  expect(most).toBeLessThanOrEqual(2)
})

test('no more than four conversations of a channel are sent to at once, and no channel is in the way of another', async () => {
  const scene = await channelScene()
  const go = Promise.withResolvers<void>()
  scene.service.onSend = async ({ channel }) => {
    if (channel === 'telegram') await go.promise
    return { status: 'sent' }
  }
  for (let n = 0; n < 10; n++) queue(scene, { chat_id: `${n}` })
  const signal = queue(scene, { channel: 'signal', chat_id: '+15550001111' })
  await eventually('the other channel goes on', () => rowOf(scene, signal.id).status === 'delivered')
  expect(scene.outbox().filter(({ status }) => status === 'in_flight')).toHaveLength(4)
  go.resolve()
  await scene.settled()
  expect(scene.service.sent).toHaveLength(11)
})

test('a failure waits longer each time, by about what is written down, and the fifth is the last', async () => {
  const scene = await channelScene()
  scene.service.onSend = async () => retry({ error: 'busy, token 123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' })
  const { id } = queue(scene)
  for (const [at, base] of backOffMs.slice(0, 4).entries()) {
    await eventually(`attempt ${at + 1}`, () => rowOf(scene, id).attempts === at + 1)
    const waitMs = Date.parse(rowOf(scene, id).next_retry_at) - Date.now()
    expect(waitMs).toBeLessThanOrEqual(base * 1.2)
    // What has passed since is no more than the time that the test has taken.
    expect(waitMs).toBeGreaterThan(base * 0.8 - 2_000)
    hurry(scene)
  }
  await eventually('it is given up', () => rowOf(scene, id).status === 'dead_letter')
  expect(rowOf(scene, id)).toMatchObject({ attempts: 5, last_error: 'busy, token ***:***', error_code: null })
  expect(scene.eventsOf('delivery_failed')).toHaveLength(4)
  expect(scene.eventsOf('dead_letter')).toMatchObject([{ id, attempts: 5 }])
  expect(scene.channels.status().find(({ name }) => name === 'telegram')).toMatchObject({ dead_letters: 1 })
})

test('what a platform asks to wait is waited in full, and is no failure', async () => {
  const scene = await channelScene()
  scene.service.onSend = async () => retry({ retry_after_ms: 60_000, code: '429' })
  const before = Date.now()
  const { id } = queue(scene)
  for (let n = 1; n <= 8; n++) {
    await eventually(`wait ${n}`, () => scene.eventsOf('delivery_failed').length === n)
    expect(rowOf(scene, id)).toMatchObject({ status: 'pending', attempts: 0, error_code: '429' })
    const at = Date.parse(rowOf(scene, id).next_retry_at)
    expect(at).toBeGreaterThanOrEqual(before + 60_000)
    hurry(scene)
  }
})

test('what can never go better is a dead letter at once, and is replayed or discarded by hand', async () => {
  const scene = await channelScene()
  const outcomes: SendOutcome[] = [failed, failed]
  scene.service.onSend = async () => outcomes.shift() ?? { status: 'sent' }
  const [first, second] = [queue(scene, { text: 'a' }), queue(scene, { text: 'b' })]
  await scene.settled()
  expect([first, second].map(({ id }) => rowOf(scene, id))).toMatchObject([
    { status: 'dead_letter', attempts: 1, last_error: 'bot was blocked', error_code: '403' },
    { status: 'dead_letter' },
  ])
  scene.channels.outbox.replay(first.id)
  await scene.channels.outbox.discard(second.id)
  await scene.settled()
  expect([first, second].map(({ id }) => rowOf(scene, id).status)).toEqual(['delivered', 'discarded'])
  expect(scene.service.sent.map(({ text }) => text)).toEqual(['a', 'b', 'a'])
  expect(() => scene.channels.outbox.replay(first.id)).toThrow('dead-letter item not found')
  await expect(scene.channels.outbox.discard('nothing')).rejects.toThrow('dead-letter item not found')
})

test.each([0, 1, 2, 3])(
  'a process that dies after part %i is followed by one that goes on there',
  async (partsSent) => {
    const scene = await channelScene()
    let died = 0
    scene.service.onSend = async ({ parts_sent }, { onChunk }) => {
      for (let part = parts_sent; part < 3; part++) {
        if (part === partsSent && died++ === 0) throw new RuntimeError('outcome_unknown', 'it ended')
        await onChunk?.({ part, parts: 3, message_id: `m${part}` })
      }
      if (partsSent === 3 && died++ === 0) throw new RuntimeError('outcome_unknown', 'it ended')
      return { status: 'sent' }
    }
    const { id } = queue(scene)
    await scene.settled()
    expect(rowOf(scene, id)).toMatchObject({ parts_sent: 3, message_ids_json: '["m0","m1","m2"]', attempts: 1 })
    const { sent } = scene.service
    expect(sent.map(({ parts_sent }) => parts_sent)).toEqual([0, partsSent])
    expect(new Set(sent.map(({ idempotency_key }) => idempotency_key)).size).toBe(1)
  },
)

test('a message under which one process after the other dies is given up in the end', async () => {
  const scene = await channelScene()
  scene.service.onSend = async () => {
    throw new RuntimeError('outcome_unknown', 'it ended')
  }
  const { id } = queue(scene)
  for (let n = 1; n < deaths.most; n++) {
    await eventually(`death ${n}`, () => scene.service.sent.length === n && rowOf(scene, id).status === 'pending')
    hurry(scene)
  }
  await scene.settled()
  expect(rowOf(scene, id)).toMatchObject({ status: 'dead_letter', error_code: 'process_died' })
})

test('a service that is not there costs no attempt, and all is sent once it is back', async () => {
  const scene = await channelScene()
  let isDown = true
  scene.service.onSend = async () => {
    if (isDown) throw new RuntimeError('unavailable', 'it is down')
    return { status: 'sent' }
  }
  const { id } = queue(scene)
  await eventually('it was tried', () => scene.service.sent.length === 1 && rowOf(scene, id).status === 'pending')
  expect(rowOf(scene, id)).toMatchObject({ attempts: 0, last_error: 'it is down' })
  isDown = false
  scene.channels.noteService(true)
  await scene.settled()
  expect(rowOf(scene, id)).toMatchObject({ status: 'delivered', attempts: 1 })
})

test('what was under way when the kernel ended goes on with the next one, from the part that is on record', async () => {
  const first = await channelScene()
  first.service.onSend = async (_message, { onChunk, signal }) => {
    await onChunk?.({ part: 0, parts: 2, message_id: 'm0' })
    await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    return { status: 'sent' }
  }
  const { id } = queue(first)
  await eventually('a part is sent', () => rowOf(first, id).parts_sent === 1)
  await first.end()
  const next = await channelScene({ home: first.home })
  await next.settled()
  expect(next.service.sent).toMatchObject([{ delivery_id: id, parts_sent: 1 }])
})

test('over a channel that is not configured nothing is sent, and a message that waits for it is given up', async () => {
  const scene = await channelScene({ config: '[channels.telegram]\ntoken_env = "TG"\n', env: {} })
  const { id } = queue(scene)
  for (let n = 1; n < 5; n++) {
    await eventually(`attempt ${n}`, () => rowOf(scene, id).attempts === n)
    hurry(scene)
  }
  await scene.settled()
  expect(scene.service.sent).toEqual([])
  expect(rowOf(scene, id).last_error).toBe('channels.telegram: TG, which token_env names, is not set')
  expect(() => scene.channels.send({ channel: 'signal', chat_id: '1', thread_id: null, key: 'x', text: 'x' })).toThrow(
    'Signal is not configured',
  )
})

test('past ten thousand that wait no more is taken, but for what is owed', async () => {
  const scene = await channelScene({ opens: false })
  const { durable } = scene.store
  const message = { channel: 'telegram', chat_id: '42', thread_id: null, text: 'x' } as const
  durable.transaction(() => {
    for (let n = 0; n < maxOpenDeliveries; n++) insertDelivery(durable, { ...message, key: `filler-${n}` })
  })()
  expect(() => queue(scene)).toThrow('10000 messages wait to be sent over telegram already')
  expect(scene.channels.outbox.put(durable, { ...message, key: 'owed' }).isNew).toBe(true)
  queue(scene, { channel: 'signal' })
})

test('what was sent a week ago is forgotten, and what is dead is not', async () => {
  const scene = await channelScene()
  const outcomes: SendOutcome[] = [{ status: 'sent' }, failed]
  scene.service.onSend = async () => outcomes.shift() ?? { status: 'sent' }
  const [sent, dead, fresh] = ['a', 'b', 'c'].map((text) => queue(scene, { text }))
  await scene.settled()
  const old = '2020-01-01T00:00:00.000Z'
  scene.store.write.exec(`UPDATE channel_outbox SET delivered_at = '${old}' WHERE id = '${sent?.id}'`)
  scene.store.write.exec(`UPDATE channel_outbox SET created_at = '${old}' WHERE id = '${dead?.id}'`)
  scene.channels.tidy()
  expect(scene.outbox().map(({ id }) => id)).toEqual([dead?.id, fresh?.id])
})

test('what a job brings goes to its chat, or to all that are allowed, and else says why not', async () => {
  const scene = await channelScene({ opens: false })
  const { durable } = scene.store
  const deliver = (channel: string, text = 'done') => scene.channels.deliver({ channel, text, key: 'run-1' }, durable)
  expect(deliver('web')).toBeNull()
  expect(deliver('nowhere')).toBe('there is no channel nowhere')
  expect(deliver('discord')).toBe('nobody is allowed on discord, so there is no chat to send to')
  expect(deliver('telegram:42 7', '  ')).toBeNull()
  expect(scene.outbox()).toEqual([])
  expect(deliver('telegram:42 7')).toBeNull()
  expect(deliver('telegram:42 7')).toBeNull()
  expect(deliver('matrix:!room:example.org')).toBeNull()
  expect(deliver('telegram')).toBeNull()
  expect(scene.outbox().map(({ channel, chat_id, thread_id }) => [channel, chat_id, thread_id])).toEqual([
    ['telegram', '42', '7'],
    ['matrix', '!room:example.org', null],
    ['telegram', '42', null],
    ['telegram', '-500', null],
  ])
})

test('the channels that are to hear of it are told that Keel is there', async () => {
  const config = `[channels]\nstartup_announcements = ["telegram", "discord"]\n[channels.telegram]\ntoken_env = "TG"\nallowed_chat_ids = [1, 2]\n`
  const scene = await channelScene({ config, opens: false })
  await scene.channels.start({ announces: true })
  await scene.settled()
  expect(scene.service.sent.map(({ chat_id, text }) => [chat_id, text])).toEqual([
    ['1', 'Keel is online.'],
    ['2', 'Keel is online.'],
  ])
})
