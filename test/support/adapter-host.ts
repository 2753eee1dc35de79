import { pino } from 'pino'
import type { ChannelUpdate } from '#sdk/channels/message.ts'
import { channelUpdate } from '#sdk/channels/message.ts'
import type { AdapterHost, OutboundPart } from '../../services/channels/adapter.ts'

const waitMs = 10_000

/** What an adapter under test has of its host: keeps what it is handed as the kernel would, once each. */
export class TestHost {
  cursor: string | null
  /** Each update once, in order. */
  readonly updates: ChannelUpdate[] = []
  /** How often the platform was said to have spoken. */
  connections = 0
  /** Where set, accepting fails with it. */
  refusal: Error | null = null
  /** Where set, accepting waits for it. */
  hold: Promise<void> | null = null
  /** Lines of the log. */
  readonly lines: string[] = []
  readonly files = new Map<string, Uint8Array>()
  readonly allowedHosts: string[]
  readonly #seen = new Set<string>()
  readonly #waiting = new Set<() => void>()

  constructor({ cursor = null, allowedHosts = [] }: { cursor?: string | null; allowedHosts?: string[] } = {}) {
    this.cursor = cursor
    this.allowedHosts = allowedHosts
  }

  get host(): AdapterHost {
    return {
      log: pino({ level: 'trace' }, { write: (line: string) => void this.lines.push(line) }),
      agentName: 'Keel',
      allowedHosts: this.allowedHosts,
      cursor: async () => this.cursor,
      accept: async (updates, cursor) => this.#accept(updates, cursor),
      connected: () => {
        this.connections += 1
        this.#told()
      },
      readFile: (file) => this.#readFile(file),
    }
  }

  /** Settles once it holds; rejects past a deadline. */
  async until(holds: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(waitMs)
    while (!holds()) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const late = () => reject(new Error(`It did not come about: ${holds}`))
      deadline.addEventListener('abort', late, { once: true })
      this.#waiting.add(resolve)
      await promise.finally(() => deadline.removeEventListener('abort', late))
    }
  }

  async #accept(updates: ChannelUpdate[], cursor: string | null): Promise<void> {
    await this.hold
    if (this.refusal) throw this.refusal
    if (cursor !== null && cursor.length > 4_096) throw new Error('The cursor is too long')
    for (const update of updates) {
      const { external_id } = channelUpdate.parse(update)
      if (this.#seen.has(external_id)) continue
      this.#seen.add(external_id)
      this.updates.push(update)
    }
    this.cursor = cursor
    this.#told()
  }

  #told(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  async *#readFile({ delivery_id, index }: NonNullable<OutboundPart['file']>): AsyncGenerator<Uint8Array> {
    const bytes = this.files.get(`${delivery_id}/${index}`)
    if (!bytes) throw new Error('There is no such file')
    const half = Math.ceil(bytes.byteLength / 2)
    yield bytes.subarray(0, half)
    yield bytes.subarray(half)
  }
}

/** A part to be sent; fields given replace the usual ones. */
export function outboundPart(fields: Partial<OutboundPart> & Pick<OutboundPart, 'chat_id'>): OutboundPart {
  const usual = { thread_id: null, index: 0, key: 'delivery-1/0', text: 'Hello', plain: 'Hello', file: null }
  return { ...usual, buttons: [], reply_to: null, replaces: null, subject: null, ...fields }
}
