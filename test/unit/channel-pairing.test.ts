import { expect, test } from 'vitest'
import { maxOpenCodes } from '#kernel/channels/pairing.ts'
import { listPeers } from '#kernel/store/channel-peers.ts'
import { sql } from '#kernel/store/database.ts'
import { type ChannelScene, channelScene, inbound } from '../support/channel-scene.ts'

const stranger = { chat_id: '9', sender_id: '9', sender_name: 'Eve' }
const texts = ({ service }: ChannelScene) => service.sent.map(({ text }) => text)
const welcome = 'We are paired now. Write to me whenever you like.'
const wrong = 'That code is not valid.'

async function say(scene: ChannelScene, text: string, from: Partial<ReturnType<typeof inbound>> = stranger) {
  await scene.accept([inbound({ ...from, text })])
  await scene.settled()
}

test('who shows a code is known from then on, with what the code gives', async () => {
  const scene = await channelScene()
  const { code, expires_at } = scene.channels.pairing.createCode('telegram', 'Peer')
  expect(code).toMatch(/^[2-9A-HJ-NP-Z]{8}$/)
  expect(Date.parse(expires_at)).toBeGreaterThan(Date.now() + 800_000)
  // The code itself is kept nowhere.
  expect(JSON.stringify(sql(scene.store.read, 'SELECT * FROM pairing_codes').all())).not.toContain(code)
  await say(scene, 'hello')
  await say(scene, `/pair ${code.toLowerCase()}`)
  await say(scene, 'hello again')
  expect(texts(scene)).toEqual([welcome, 'You said: hello again'])
  const [peer] = listPeers(scene.store.read)
  expect(peer).toMatchObject({ channel: 'telegram', sender_id: '9', sender_name: 'Eve', authority: 'Peer' })
  expect(scene.eventsOf('channel_peer_paired')).toMatchObject([{ channel: 'telegram', sender_id: '9' }])
  expect(scene.eventsOf('channel_message').filter(({ direction }) => direction === 'in')).toHaveLength(1)
})

test('a code is good once, on its own channel, for a quarter of an hour', async () => {
  const scene = await channelScene()
  const { code } = scene.channels.pairing.createCode('telegram', 'Peer')
  await scene.accept([inbound({ chat_id: '+15', sender_id: '+15', text: `/pair ${code}` })], 'signal')
  await scene.settled()
  await say(scene, `/pair ${code}`)
  await say(scene, `/pair ${code}`, { chat_id: '8', sender_id: '8' })
  const late = scene.channels.pairing.createCode('telegram', 'Peer').code
  scene.store.write.exec(`UPDATE pairing_codes SET expires_at = '2020-01-01T00:00:00.000Z'`)
  await say(scene, `/pair ${late}`, { chat_id: '7', sender_id: '7' })
  expect(texts(scene)).toEqual([wrong, welcome, wrong, wrong])
  expect(listPeers(scene.store.read).map(({ sender_id }) => sender_id)).toEqual(['9'])
})

test('in a group a code is no code', async () => {
  const scene = await channelScene()
  const { code } = scene.channels.pairing.createCode('telegram', 'Peer')
  await say(scene, `/pair ${code}`, { ...stranger, chat_id: '-9', chat_kind: 'group' })
  expect([texts(scene), listPeers(scene.store.read)]).toEqual([[], []])
  await say(scene, `/pair ${code}`)
  expect(texts(scene)).toEqual([welcome])
})

test('who guesses is answered five times, and then not even with the right code', async () => {
  const scene = await channelScene()
  const { code } = scene.channels.pairing.createCode('telegram', 'Creator')
  for (let n = 0; n < 7; n++) await say(scene, `/pair AAAAAAA${n}`)
  await say(scene, `/pair ${code}`)
  expect(texts(scene)).toEqual(Array(5).fill(wrong))
  expect(listPeers(scene.store.read)).toEqual([])
  await say(scene, `/pair ${code}`, { chat_id: '8', sender_id: '8' })
  expect(texts(scene).at(-1)).toBe(welcome)
})

test('many who guess together are answered fifty times on a channel', async () => {
  const scene = await channelScene()
  await scene.accept(
    Array.from({ length: 60 }, (_, n) => inbound({ chat_id: `1${n}`, sender_id: `1${n}`, text: '/pair GUESSED9' })),
  )
  await scene.settled()
  expect(texts(scene)).toHaveLength(50)
  const { code } = scene.channels.pairing.createCode('telegram', 'Peer')
  await say(scene, `/pair ${code}`)
  expect(listPeers(scene.store.read)).toEqual([])
})

test('no more than twenty codes are open at once', async () => {
  const scene = await channelScene({ opens: false })
  for (let n = 0; n < maxOpenCodes; n++) scene.channels.pairing.createCode('telegram', 'Peer')
  expect(() => scene.channels.pairing.createCode('signal', 'Peer')).toThrow('20 pairing codes are open')
  scene.store.write.exec(`UPDATE pairing_codes SET expires_at = '2020-01-01T00:00:00.000Z'`)
  scene.channels.pairing.createCode('signal', 'Peer')
})
