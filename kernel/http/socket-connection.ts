import type { WebSocket } from 'ws'

export interface SocketLimits {
  maxSockets: number
  /** What may wait for one reader, in bytes. */
  maxBufferedBytes: number
  /** How long a reader may take nothing while something waits. */
  maxStallMs: number
  pingEveryMs: number
  /** How long a closing handshake may take before the connection is cut. */
  closeGraceMs: number
}

export const socketLimits: SocketLimits = {
  maxSockets: 1_000,
  maxBufferedBytes: 4 * 1024 * 1024,
  maxStallMs: 10_000,
  pingEveryMs: 20_000,
  closeGraceMs: 5_000,
}

const maxMissedPings = 2
/** With more bytes than this waiting, a replay waits too. */
const drainedBytes = 256 * 1024

/** The writing side of one WebSocket: bounded, and cut off when its reader does not keep up. */
export class SocketConnection {
  readonly socket: WebSocket
  readonly #limits: SocketLimits
  #unsent = 0
  #progressAt = 0
  #missedPings = 0
  #closing = false
  #waiting: (() => void)[] = []
  #cut: NodeJS.Timeout | undefined

  constructor(socket: WebSocket, limits: SocketLimits) {
    this.socket = socket
    this.#limits = limits
    socket.on('pong', () => {
      this.#missedPings = 0
    })
    socket.on('close', () => {
      clearTimeout(this.#cut)
      this.#closing = true
      this.#wake()
    })
  }

  get isOpen(): boolean {
    return !this.#closing
  }

  /** Enough waits for now: whoever has more should wait for `drained`. */
  get isFull(): boolean {
    return !this.#closing && this.socket.bufferedAmount > drainedBytes
  }

  /** A Buffer is sent without a copy, so that all readers of an event share it. */
  send(frame: string | Buffer): void {
    if (this.#closing) return
    if (this.socket.bufferedAmount > this.#limits.maxBufferedBytes) {
      this.close(1013, 'slow consumer')
      return
    }
    if (this.#unsent === 0) this.#progressAt = performance.now()
    this.#unsent += 1
    this.socket.send(frame, { binary: false }, this.#onSent)
  }

  /** Settles when there is room for more, or the connection is closing. */
  async drained(): Promise<void> {
    while (this.isFull) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** To be called about once a second. */
  checkReader(): void {
    if (this.#closing) return
    const isStalled = this.#unsent > 0 && performance.now() - this.#progressAt > this.#limits.maxStallMs
    if (isStalled || this.socket.bufferedAmount > this.#limits.maxBufferedBytes) this.close(1013, 'slow consumer')
  }

  /** To be called every `pingEveryMs`; cuts a peer that left two pings unanswered. */
  ping(): void {
    if (this.#closing) return
    if (this.#missedPings >= maxMissedPings) {
      this.socket.terminate()
      return
    }
    this.#missedPings += 1
    this.socket.ping()
  }

  /** Any word from the peer shows that it is there. */
  heard(): void {
    this.#missedPings = 0
  }

  close(code: number, reason: string): void {
    if (this.#closing) return
    this.#closing = true
    this.#wake()
    this.socket.close(code, reason)
    this.#cut = setTimeout(() => this.socket.terminate(), this.#limits.closeGraceMs)
  }

  readonly #onSent = () => {
    this.#unsent -= 1
    this.#progressAt = performance.now()
    this.#wake()
  }

  #wake() {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
