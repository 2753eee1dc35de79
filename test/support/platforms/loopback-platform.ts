import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Fault, Faults } from './faults.ts'

/** A platform's HTTP server on loopback: where it listens, what it tells of, how it fails on demand, how it ends. */
export abstract class LoopbackPlatform {
  readonly events = new EventEmitter()
  protected readonly faults = new Faults()
  protected readonly server = createServer((request, response) => {
    this.serve(request, response).catch(() => response.destroy())
  })
  #port = 0

  /** `port` to come back on that of one that was closed. */
  static async start<P extends LoopbackPlatform>(this: new () => P, { port = 0 } = {}): Promise<P> {
    const fake = new this()
    fake.server.listen(port, '127.0.0.1')
    await once(fake.server, 'listening')
    fake.#port = (fake.server.address() as AddressInfo).port
    return fake
  }

  get port(): number {
    return this.#port
  }

  /** `127.0.0.1:PORT`, for lists of hosts. */
  get host(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** Without a slash at its end. */
  get url(): string {
    return `http://${this.host}`
  }

  /** Faults the next requests that fit: by their path, where the fake names them by nothing else. */
  failNext(count: number, fault: Fault, only?: RegExp): void {
    this.faults.next(count, fault, only)
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }

  protected abstract serve(request: IncomingMessage, response: ServerResponse): Promise<void>
}
