import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ChannelUpdate } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import type { Adapter, AdapterHost, CreateAdapter } from '../../../services/channels/adapter.ts'
import type { AdapterModules } from '../../../services/channels/adapters.ts'
import { PlatformError } from '../../../services/channels/platform-error.ts'

/** What it does from its start on, told by its `api_url` or `daemon_url`; `calm` keeps to the rules. */
export type Oddity =
  | 'calm'
  | 'silent'
  | 'throws at start'
  | 'has no mode'
  | 'hangs at start'
  | 'loses its connection'
  | 'is refused'
  | 'loops for ever'
  | 'leaks its heap'
  | 'leaks buffers'
  | 'exits the process'
  | 'rejects unhandled'
  | 'throws late'
  | 'will not stop'
  | 'floods accept'
  | 'hands over nonsense'
  | 'hands over after a loss'

/** Of the files that `fetchMedia` gives. */
export const oddFileBytes = 500_000

export const oddModules = Object.fromEntries(
  ['telegram', 'whatsapp', 'discord', 'slack', 'matrix', 'email', 'signal'].map((name) => [
    name,
    { url: import.meta.url, create: 'createOdd' },
  ]),
) as unknown as AdapterModules

/** A message of somebody; fields given replace the usual ones. */
export function oddUpdate(external_id: string, text = ''): ChannelUpdate {
  return {
    type: 'message',
    external_id,
    message_id: null,
    chat_id: 'chat',
    thread_id: null,
    chat_kind: 'direct',
    guild_id: null,
    sender_id: 'sender',
    sender_name: null,
    text,
    addressed: true,
    edited: false,
    attachments: [],
    sent_at: '2026-01-01T00:00:00.000Z',
  }
}

/** An adapter that misbehaves on request, in the ways in which code does. */
export const createOdd: CreateAdapter<PlatformName> = (settings, host) => {
  const oddity = ('api_url' in settings ? settings.api_url : 'daemon_url' in settings ? settings.daemon_url : 'calm') as
    | Oddity
    | (string & {})
  if (oddity === 'throws at start') throw new Error('bot 123456789:AAH-abcdefghijklmnopqrstuvwxyz0123456 is gone')
  return new OddAdapter(oddity, host)
}

class OddAdapter implements Adapter {
  readonly mode: Adapter['mode']
  readonly #oddity: string
  readonly #host: AdapterHost

  constructor(oddity: string, host: AdapterHost) {
    this.mode = oddity === 'has no mode' ? (undefined as unknown as 'gateway') : 'gateway'
    this.#oddity = oddity
    this.#host = host
  }

  async receive(signal: AbortSignal): Promise<void> {
    const { accept, connected } = this.#host
    switch (this.#oddity) {
      case 'silent':
        return untilAborted(signal)
      case 'hangs at start':
      case 'loops for ever':
        for (;;);
      case 'leaks its heap':
        for (const words: string[][] = []; ; await nextTurn())
          words.push(Array.from({ length: 10_000 }, (_, n) => `${n}`.padEnd(100, 'x')))
      case 'leaks buffers':
        for (const held: Buffer[] = []; ; await nextTurn()) {
          if (held.length < 80) held.push(Buffer.alloc(4 * 1024 * 1024, 1))
        }
      case 'exits the process':
        process.exit(3)
        break
      case 'rejects unhandled':
        void Promise.reject(new Error('nobody handles this'))
        break
      case 'throws late':
        setImmediate(() => {
          throw new Error('thrown out of nowhere')
        })
        break
      case 'loses its connection':
        connected()
        throw new PlatformError('The line broke', { code: '1006', permanent: false })
      case 'is refused':
        throw new PlatformError('Unauthorized', { code: '401', permanent: true })
      case 'will not stop':
        connected()
        return new Promise(() => {})
      case 'floods accept':
        for (let n = 0; ; n++) {
          void accept([oddUpdate(`${n}`)], `${n}`)
          if (n % 1_000 === 0) await nextTurn()
        }
      case 'hands over nonsense': {
        const odd = [{ type: 'message' }, null, 7, { ...oddUpdate('x'), sender_id: 5 }] as unknown as ChannelUpdate[]
        await accept([oddUpdate('first'), ...odd, oddUpdate('last')], 'after')
        break
      }
      case 'hands over after a loss': {
        const handed = [accept([oddUpdate('lost')], '1'), accept([oddUpdate('later')], '2')]
        await Promise.all(handed)
        break
      }
    }
    connected()
    await untilAborted(signal)
  }

  parse(body: string): ChannelUpdate[] {
    const { id, repeat = 1 } = JSON.parse(body) as { id: string; repeat?: number }
    return Array.from({ length: repeat }, (_, n) => oddUpdate(`${id}${n}`))
  }

  /** Does as the text says. */
  async send(part: Parameters<Adapter['send']>[0], signal: AbortSignal): Promise<{ message_id: string | null }> {
    const [order = '', ...words] = part.plain.split(' ')
    switch (order) {
      case 'hang':
        return new Promise(() => {})
      case 'wait':
        await untilAborted(signal)
        throw signal.reason
      case 'loop':
        for (;;);
      case 'exit':
        process.exit(1)
        break
      case 'fail':
        throw new Error(words.join(' '))
      case 'refuse':
        throw new PlatformError('Forbidden: the bot was blocked', { code: '403', permanent: true })
      case 'limit':
        throw new PlatformError('Too many requests', { code: '429', permanent: false, retryAfterMs: 1_500.2 })
    }
    return { message_id: `${part.key}` }
  }

  async draft(draft: Parameters<NonNullable<Adapter['draft']>>[0]): Promise<{ message_id: string }> {
    if (draft.plain === 'limit') throw new PlatformError('Too many', { code: '429', permanent: false, retryAfterMs: 7 })
    if (draft.plain === 'hang') return new Promise(() => {})
    return { message_id: draft.message_id ?? `draft of ${draft.plain}` }
  }

  async fetchMedia(media: {
    ref: string
  }): Promise<{ content_type: string; filename: null; bytes: AsyncIterable<Uint8Array> }> {
    return { content_type: 'image/png', filename: null, bytes: pieces(media.ref === 'endless') }
  }

  async check(signal: AbortSignal): Promise<{ identity: string }> {
    if (this.#oddity === 'is refused') throw new PlatformError('Unauthorized', { code: '401', permanent: true })
    if (this.#oddity === 'silent') await untilAborted(signal)
    return { identity: `Keel, ${this.#host.agentName}` }
  }
}

async function* pieces(endless: boolean): AsyncGenerator<Uint8Array> {
  do yield new Uint8Array(oddFileBytes)
  while (endless)
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
