import { reasonOf } from '#sdk/errors.ts'
import type { Home } from '../home.ts'
import type { ListenHandle } from '../http/server.ts'
import type { Predecessor } from '../main.ts'
import { giveBackMemory } from './give-back-memory.ts'
import { KernelProcess } from './kernel-process.ts'
import type { LocalKernel } from './local-kernel.ts'
import { type HandoverRecord, recordHandover } from './record.ts'

/** How often it is tried to have anyone serve again when a handover failed half-way. */
const maxRescues = 3

type Change = (change: Partial<HandoverRecord>) => void

export interface KernelHostOptions {
  home: Home
  env: NodeJS.ProcessEnv
  /** Someone waits for the end of this process: it stays, without a kernel of its own, for as long as its successors live. */
  isWatched: boolean
}

/**
 * Arranges who serves in a home: first the kernel of this process, after each handover one in a process of its own.
 * At any moment one kernel has the home; the listening socket is open throughout.
 */
export class KernelHost {
  readonly #options: KernelHostOptions
  readonly #local: LocalKernel
  readonly #ended = Promise.withResolvers<number>()
  /** Who serves; nobody in the middle of a handover. */
  #incumbent: LocalKernel | KernelProcess | undefined
  /** Whoever is to follow. */
  #next: KernelProcess | undefined
  /** The listening socket, held open while nobody accepts on it. */
  #spare: ListenHandle | undefined
  #handover: Promise<void> | undefined
  #stopping = false

  /** `local` serves first. */
  constructor(local: LocalKernel, options: KernelHostOptions) {
    this.#local = local
    this.#incumbent = local
    this.#options = options
    local.ended.then((code) => this.#end(code))
  }

  /** The exit code of the last kernel. */
  get ended(): Promise<number> {
    return this.#ended.promise
  }

  stop(reason: string): void {
    if (this.#stopping) return
    this.#stopping = true
    if (this.#incumbent) void this.#incumbent.stop(reason)
    // It may have everything open already.
    else this.#next?.stop()
  }

  /** Does not wait for anyone; the caller then ends this process. */
  stopNow(): void {
    for (const other of [this.#incumbent, this.#next]) if (other instanceof KernelProcess) other.stopNow()
  }

  /** Starts a new kernel and lets it take over; asked again meanwhile, it is the same handover. How it ended is on record. */
  handOver(): Promise<void> {
    this.#handover ??= this.#handOver().finally(() => {
      this.#handover = undefined
    })
    return this.#handover
  }

  async #handOver(): Promise<void> {
    const old = this.#incumbent
    if (!old || this.#stopping) return
    const { home, env } = this.#options
    const record = recordHandover(home, old.pid)
    const next = new KernelProcess(home.root, env)
    this.#next = next
    let version: string
    try {
      version = await next.ready()
      this.#spare ??= await this.#copyListener(next)
    } catch (thrown) {
      await next.kill()
      const reason = reasonOf(thrown)
      record({ state: 'failed', reason })
      if (!this.#stopping) old.stay(reason)
      return
    }
    // Asked to stop, or the old one has ended by itself meanwhile.
    if (this.#stopping || this.#incumbent !== old) {
      await next.kill()
      record({ state: 'failed', reason: 'Keel is stopping' })
      return
    }

    record({ state: 'draining', pid: next.pid, version })
    this.#incumbent = undefined
    let predecessor: Predecessor
    try {
      predecessor = await letGo(old)
    } catch (thrown) {
      // What this process still holds is free only when it is gone.
      await next.kill()
      record({ state: 'failed', pid: null, reason: reasonOf(thrown) })
      process.stderr.write(`Keel has ended: the old kernel could not be closed: ${reasonOf(thrown)}\n`)
      this.#end(1)
      return
    }
    if (this.#stopping) {
      await next.kill()
      record({ state: 'failed', pid: null, reason: 'Keel is stopping' })
      this.#end(0)
      return
    }
    record({ state: 'taking_over' })
    try {
      await next.serve(this.#spare, predecessor)
      this.#succeed(next, old, predecessor, record)
    } catch (thrown) {
      await next.kill()
      await this.#rescue(old, predecessor, record, reasonOf(thrown))
    }
  }

  async #copyListener(next: KernelProcess): Promise<ListenHandle> {
    const { listener } = this.#local
    if (!listener) throw new Error('there is no listening socket')
    return next.copyOf(listener)
  }

  #succeed(next: KernelProcess, old: LocalKernel | KernelProcess, { stopped_at }: Predecessor, record: Change): void {
    this.#next = undefined
    this.#incumbent = next
    next.onWish = (wish) => (wish === 'stop' ? this.stop('asked by its kernel') : void this.handOver())
    void next.exited.then((code) => {
      if (this.#incumbent === next) this.#end(code)
    })
    record({ state: 'done', pid: next.pid, gap_ms: Date.now() - stopped_at })
    if (old instanceof KernelProcess) void old.stop()
    if (this.#stopping) next.stop()
    if (!this.#options.isWatched) {
      next.goOnAlone()
      this.#end(0)
    } else if (old === this.#local) giveBackMemory()
  }

  /** Nobody serves: the old kernel takes up its work again; where the new one has changed too much for it, another new one. */
  async #rescue(
    old: LocalKernel | KernelProcess,
    predecessor: Predecessor,
    record: Change,
    reason: string,
  ): Promise<void> {
    const { home, env } = this.#options
    for (let tries = 0; tries < maxRescues && !this.#stopping; tries++) {
      const listener = this.#spare
      if (!listener) break
      try {
        await old.serve(listener, predecessor)
        // A kernel of this process accepts on the socket itself.
        if (old === this.#local) this.#spare = undefined
        this.#incumbent = old
        if (this.#stopping) void old.stop('stopped during a handover')
        record({ state: 'failed', reason, pid: old.pid, gap_ms: Date.now() - predecessor.stopped_at })
        old.stay(reason)
        return
      } catch (thrown) {
        record({ reason: `${reason}; process ${old.pid} could not go on: ${reasonOf(thrown)}` })
      }
      const other = new KernelProcess(home.root, env)
      this.#next = other
      try {
        const version = await other.ready()
        await other.serve(listener, predecessor)
        record({ version })
        this.#succeed(other, old, predecessor, record)
        return
      } catch {
        await other.kill()
      }
    }
    record({ state: 'failed', pid: null })
    if (this.#stopping) return this.#end(0)
    process.stderr.write(`Keel has ended: the new kernel failed, and the old one could not go on: ${reason}\n`)
    this.#end(1)
  }

  #end(code: number): void {
    if (this.#next) void this.#next.kill()
    this.#spare?.close()
    this.#spare = undefined
    this.#ended.resolve(code)
  }
}

/** One that can not close in order is ended: then nothing of it is open. */
async function letGo(old: LocalKernel | KernelProcess): Promise<Predecessor> {
  const stopped_at = Date.now()
  try {
    return await old.letGo()
  } catch (thrown) {
    if (!(old instanceof KernelProcess)) throw thrown
    await old.kill()
    return { pid: old.pid, version: 'unknown', stopped_at }
  }
}
