import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { serviceSpec } from '#kernel/supervisor/spec.ts'
import { startSupervisor } from '#kernel/supervisor/supervisor.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { channelsService } from '#sdk/services/channels.ts'
import { kernelForChannels } from '#sdk/services/kernel.ts'
import { type ChannelScene, channelScene, type PlainChannels } from '../support/channel-scene.ts'
import { eventually } from '../support/daemon.ts'
import { FakeMatrix, matrixToken } from '../support/platforms/matrix.ts'
import { FakeTelegram, telegramToken } from '../support/platforms/telegram.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { temporaryFolder } from '../support/temp-store.ts'

const kills = 100
const room = '!room:localhost'
const chats = { telegram: '42', matrix: room } as const
/** Two parts on Telegram, one on Matrix. */
const long = 'word '.repeat(1_000)

test('100 kills of the channels service in the middle of sending: nothing is lost, and nothing is out of order', async () => {
  const random = seededRandom(100)
  const [telegram, matrix] = await Promise.all([FakeTelegram.start(), FakeMatrix.start()])
  onTestFinished(() => Promise.all([telegram.close(), matrix.close()]).then(() => {}))
  matrix.addRoom(room)
  let scene: ChannelScene | undefined
  const terms = new Proxy({} as ChannelScene['channels']['terms'], {
    get: (_, name) => (scene ?? unreachable()).channels.terms[name as keyof ChannelScene['channels']['terms']],
    ownKeys: () => Object.keys(kernelForChannels.methods),
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
  })
  const supervisor = startSupervisor({
    specs: [
      serviceSpec({
        contract: channelsService,
        entry: new URL('../../services/channels/main.ts', import.meta.url),
        kernel: { contract: kernelForChannels, handlers: terms },
        start: 'lazy',
        stateful: true,
        // Here it is killed more often than a budget is for.
        budget: { crashes: kills * 2, withinMs: 30_000, longCrashes: kills * 2, longWithinMs: 300_000 },
      }),
    ],
    runDir: temporaryFolder(),
    log: pino({ enabled: false }),
    onLog() {},
    onStateChange: ({ state }) => scene?.channels.noteService(state === 'ready'),
  })
  const config = `
[channels.telegram]
token_env = "TG"
api_url = "${telegram.apiUrl}"
allowed_chat_ids = [42]
[channels.matrix]
enabled = true
token_env = "MX"
homeserver_url = "${matrix.url}"
`
  const service = supervisor.client(channelsService) as unknown as PlainChannels
  const env = { TG: telegramToken, MX: matrixToken }
  scene = await channelScene({ config, env, service })
  // Before the kernel's side, which waits for what it has asked.
  onTestFinished(() => supervisor.close(0))
  const { channels, outbox } = scene

  const wanted: Record<keyof typeof chats, string[]> = { telegram: [], matrix: [] }
  const queue = () => {
    for (const [channel, chat_id] of Object.entries(chats) as [keyof typeof chats, string][]) {
      const n = wanted[channel].length
      const text = random() < 0.3 ? `message ${n} ${long}end of ${n}` : `message ${n}`
      wanted[channel].push(text)
      channels.send({ channel: channel as PlatformName, chat_id, thread_id: null, key: `${channel}-${n}`, text })
    }
  }
  const sent = [() => telegram.sent.length, () => matrix.sent.length]
  // Steady.
  queue()
  await eventually('the first are sent', () => telegram.sent.length > 0 && matrix.sent.length > 0, 20_000)
  // Broken: each process is killed as soon as it has begun to send, or a little later.
  let midSend = 0
  for (let kill = 0; kill < kills; kill++) {
    // Each platform in turn, so that none is always cut off before its turn.
    const count = sent[kill % sent.length] ?? unreachable
    const before = count()
    queue()
    queue()
    await eventually('it sends again', () => count() > before, 30_000)
    await delay(random() * 30)
    if (outbox().some(({ status }) => status === 'in_flight')) midSend += 1
    supervisor.endProcess('channels', 'the test kills it')
  }
  expect(midSend).toBeGreaterThan(kills / 4)
  // Recovered.
  await eventually('everything is delivered', () => outbox().every(({ status }) => status === 'delivered'), 90_000)
  expect(outbox()).toHaveLength(2 * (1 + 2 * kills))

  // Matrix takes a key: there each is shown once, in order.
  const said = (texts: string[]) => numbersIn(texts)
  const inOrder = wanted.matrix.map((_, n) => n)
  expect(said(matrix.sent.map(({ event }) => String(event.content.body)))).toEqual(inOrder)
  expect(new Set(matrix.sent.map(({ transaction }) => transaction)).size).toBe(matrix.sent.length)
  // Telegram takes none: what was on its way at a kill may be shown twice, one right after the other, and nothing else may.
  const shown = said(telegram.sent.map(({ text }) => text))
  expect(shown.filter((n, at) => n !== shown[at - 1])).toEqual(inOrder)
}, 400_000)

/** The messages' numbers, as their first parts tell them. */
function numbersIn(texts: string[]): number[] {
  return texts.flatMap((text) => {
    const number = /^message (\d+)/.exec(text)?.[1]
    return number === undefined ? [] : [Number(number)]
  })
}

function unreachable(): never {
  throw new Error('the service asks before there is a kernel')
}
