import { writeFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Home } from '../home.ts'
import type { ListenHandle } from '../http/server.ts'
import type { Kernel, Predecessor } from '../main.ts'

/** What is needed of a kernel. */
export type RunningKernel = Pick<Kernel, 'url' | 'dashboardUrl' | 'listener' | 'closed' | 'close' | 'letGo'> & {
  log: Pick<Logger, 'error'>
}
export type StartKernel = (options: {
  home: string
  env: NodeJS.ProcessEnv
  listener?: ListenHandle
  predecessor?: Predecessor
}) => Promise<RunningKernel>

/** The kernel of this process, which may be let go of and taken up again. */
export class LocalKernel {
  readonly pid = process.pid
  readonly #home: Home
  readonly #env: NodeJS.ProcessEnv
  readonly #startKernel: StartKernel
  readonly #ended = Promise.withResolvers<number>()
  #kernel: RunningKernel | undefined
  /** A start or an end that is under way. */
  #change: Promise<unknown> = Promise.resolve()

  constructor(home: Home, env: NodeJS.ProcessEnv, startKernel: StartKernel) {
    this.#home = home
    this.#env = env
    this.#startKernel = startKernel
  }

  /** The exit code, once it has been stopped. */
  get ended(): Promise<number> {
    return this.#ended.promise
  }

  get listener(): ListenHandle | undefined {
    return this.#kernel?.listener
  }

  async start(given: { listener?: ListenHandle; predecessor?: Predecessor } = {}): Promise<RunningKernel> {
    const starting = this.#startKernel({ home: this.#home.root, env: this.#env, ...given })
    this.#change = starting
    const kernel = await starting
    this.#kernel = kernel
    kernel.closed.then(this.#ended.resolve)
    writeFileSync(this.#home.urlFile, `${kernel.url}\n`, { mode: 0o600 })
    return kernel
  }

  async serve(listener: ListenHandle, predecessor: Predecessor): Promise<void> {
    await this.start({ listener, predecessor })
  }

  async letGo(): Promise<Predecessor> {
    if (!this.#kernel) throw new Error('There is no kernel to let go of')
    const going = this.#kernel.letGo()
    this.#kernel = undefined
    this.#change = going
    return going
  }

  stay(reason: string): void {
    this.#kernel?.log.error({ reason }, 'a new kernel could not take over; this one goes on')
  }

  /** Waits for a start or an end that is under way. */
  async stop(reason: string): Promise<void> {
    await this.#change.catch(() => {})
    if (this.#kernel) await this.#kernel.close(reason)
    else this.#ended.resolve(0)
  }
}
