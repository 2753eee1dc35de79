import { setTimeout as delay } from 'node:timers/promises'

const againMs = 50
/** Stands for the status of an answer that did not come. */
const noAnswer = 599

export interface Webhook {
  url: string
  headers: Record<string, string>
  body: string
  /** It was answered with 2xx. */
  taken(): void
}

/** Sends webhooks as platforms do: one after the other, each again until it is taken. */
export class WebhookSender {
  readonly #next: () => Webhook | null
  readonly #told: (status: number) => void
  readonly #stopping = new AbortController()
  #sending = false

  /** `next` says what is to be sent now; `told` hears each status. */
  constructor(next: () => Webhook | null, told: (status: number) => void) {
    this.#next = next
    this.#told = told
  }

  /** There is something to be sent, or a place to send it to. */
  wake(): void {
    if (this.#sending) return
    this.#sendAll().catch((thrown: unknown) => {
      if (!this.#stopping.signal.aborted) throw thrown
    })
  }

  stop(): void {
    this.#stopping.abort()
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#stopping
    this.#sending = true
    try {
      for (let webhook = this.#next(); webhook; webhook = this.#next()) {
        const status = await this.#send(webhook)
        if (status >= 200 && status < 300) webhook.taken()
        else await delay(againMs, undefined, { signal })
      }
    } finally {
      // At once: what is said in the very next moment begins anew.
      this.#sending = false
    }
  }

  async #send({ url, headers, body }: Webhook): Promise<number> {
    const { signal } = this.#stopping
    try {
      const sent = { 'content-type': 'application/json', ...headers }
      const answer = await fetch(url, { method: 'POST', headers: sent, body, signal })
      await answer.body?.cancel()
      this.#told(answer.status)
      return answer.status
    } catch (thrown) {
      if (signal.aborted) throw thrown
      return noAnswer
    }
  }
}
