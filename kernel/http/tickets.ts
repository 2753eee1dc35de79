import { randomBytes } from 'node:crypto'

const ticketLifeMs = 30_000
const maxTickets = 1_000

/** One-use tickets for opening a WebSocket from a page, which can not send headers. They live in memory alone. */
export class Tickets {
  readonly #now: () => number
  /** Ticket to the moment it dies; oldest first. */
  readonly #expiry = new Map<string, number>()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** `expires_in` is in seconds. Past the bound the oldest ticket gives way. */
  issue(): { ticket: string; expires_in: number } {
    this.#sweep()
    const ticket = `wst_${randomBytes(32).toString('hex')}`
    this.#expiry.set(ticket, this.#now() + ticketLifeMs)
    return { ticket, expires_in: ticketLifeMs / 1000 }
  }

  /** True once for each ticket that is still alive. */
  redeem(ticket: string): boolean {
    const expiry = this.#expiry.get(ticket)
    this.#expiry.delete(ticket)
    return expiry !== undefined && this.#now() < expiry
  }

  /** For when the key they were issued under is no more. */
  clear(): void {
    this.#expiry.clear()
  }

  #sweep() {
    const now = this.#now()
    for (const [ticket, expiry] of this.#expiry) {
      if (expiry > now && this.#expiry.size < maxTickets) return
      this.#expiry.delete(ticket)
    }
  }
}
