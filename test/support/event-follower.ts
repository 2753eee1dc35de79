import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'

export interface FollowedEvent extends Record<string, unknown> {
  type: string
  seq: number
}

/** Between two tries to reach a kernel that is on its way back, in milliseconds. */
const retryMs = 10

interface Gap {
  from: number
  to: number
}

/** A client of `/ws` that goes on where it was whenever it connects again, and notes each number that it was never told of. */
export class EventFollower {
  readonly #url: string
  readonly #key: string
  #socket: WebSocket | undefined
  #last: number | undefined
  #epoch: string | undefined
  /** Events in the order in which they came. */
  readonly events: FollowedEvent[] = []
  /** What the server says it can not give any more. */
  readonly gaps: Gap[] = []
  /** Numbers that came neither as an event nor in a gap, and those that came twice. */
  readonly faults: string[] = []
  readonly closings: number[] = []

  constructor({ url, apiKey }: { url: string; apiKey: string }) {
    this.#url = url.replace('http', 'ws')
    this.#key = apiKey
  }

  /** The newest number that it knows of. */
  get last(): number {
    return this.#last ?? 0
  }

  /** Connects, and says where it was if it was there before. Settles when the server has said where the events stand. */
  async connect(): Promise<void> {
    const query = this.#last === undefined ? '' : `?since=${this.#last}&epoch=${this.#epoch}`
    const socket = new WebSocket(`${this.#url}/ws${query}`, { headers: { 'x-api-key': this.#key } })
    this.#socket = socket
    const isFirst = this.#last === undefined
    const greeted = new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.on('message', (data) => {
        const frame = JSON.parse(data.toString()) as FollowedEvent
        if (frame.type !== 'connected') return this.#take(frame)
        if (isFirst) this.#last = frame.seq
        this.#epoch = String(frame.epoch)
        resolve()
      })
    })
    socket.on('error', () => {})
    socket.on('close', (code) => this.closings.push(code))
    await greeted
  }

  /** Numbers that it does not have, whether the server has admitted that or not. */
  get missing(): string[] {
    return [...this.faults, ...this.gaps.map(({ from, to }) => `a gap from ${from} to ${to}`)]
  }

  /** Comes back as soon as its connection has ended, until it is told to stop. */
  keepFollowing(): { stop(): Promise<void> } {
    let over = false
    const follow = async () => {
      while (!over) {
        const endings = this.closings.length
        try {
          await this.connect()
          while (!over && this.closings.length === endings) await delay(retryMs)
        } catch {
          await delay(retryMs)
        }
      }
      await this.cut()
    }
    const following = follow()
    return {
      async stop() {
        over = true
        await following
      },
    }
  }

  /** Cut off, without a goodbye. */
  async cut(): Promise<void> {
    if (!this.#socket || this.#socket.readyState === WebSocket.CLOSED) return
    const closed = once(this.#socket, 'close')
    this.#socket.terminate()
    await closed
  }

  #take(frame: FollowedEvent): void {
    const last = this.last
    if (frame.type === 'gap') {
      const gap = { from: Number(frame.from), to: Number(frame.to) }
      if (gap.from > last + 1) this.faults.push(`nothing between ${last} and the gap from ${gap.from}`)
      this.gaps.push(gap)
      // A gap that is itself an event has a number of its own.
      this.#last = Math.max(gap.to, frame.seq ?? 0)
      return
    }
    if (frame.seq !== last + 1) this.faults.push(`${frame.seq} came after ${last}`)
    this.#last = frame.seq
    this.events.push(frame)
  }
}
