import ivm from 'isolated-vm'
import { reasonOf } from '#sdk/errors.ts'
import type { GuestFault } from '#sdk/services/sandbox.ts'
import { type GuestProgram, LoadFailure } from './guest-program.ts'
import type { GuestEnter, GuestSend } from './guest-runtime.ts'
import { runtimeGlobal, snapshotFor } from './snapshots.ts'

/** What the top level of a plugin's modules may take, in milliseconds: in work, and in all. */
const loadCpuMs = 1_000
const loadWallMs = 2_000
/** After its isolate was disposed, whatever a guest did must end within this time; what does not can not be ended. */
const disposalMs = 150
/** The same where nobody waits for it: a machine that is busy may take its time. */
const idleDisposalMs = 5_000
/** A guest that goes on working after its answer is ended after this time. */
const settleMs = 20

const ranTooLong = 'Script execution timed out.'
const tooMuchMemory = /memory limit|Array buffer allocation failed/

/** A guest was ended at one of its limits. */
export class GuestEnded extends Error {
  readonly fault: GuestFault
  /** The process has to end with it. */
  endsProcess = false

  constructor(fault: GuestFault, message: string) {
    super(message)
    this.fault = fault
  }
}

interface Prepared {
  context: ivm.Context
  enter: ivm.Reference<GuestEnter>
  release: () => void
}

export interface CellEvents {
  /** Nothing in this process can end what the guest does: the process has to end. */
  onHopeless: (cell: Cell, message: string) => void
}

/** An isolate of one version of a plugin. It has one call at a time, and gives each a context that no other had. */
export class Cell {
  readonly plugin: string
  readonly digest: string
  readonly memoryMb: number
  readonly #program: GuestProgram
  readonly #isolate: ivm.Isolate
  readonly #events: CellEvents
  /** Told why the cell ended, by the one whose call it has. */
  onEnd: ((why: GuestEnded) => void) | undefined
  #ready: Promise<Prepared> | undefined
  #ended: GuestEnded | undefined
  /** Work under way in the isolate; settles when there is none. */
  #busy: Promise<unknown> = Promise.resolve()

  constructor(
    { plugin, digest, memoryMb }: { plugin: string; digest: string; memoryMb: number },
    program: GuestProgram,
    events: CellEvents,
  ) {
    this.plugin = plugin
    this.digest = digest
    this.memoryMb = memoryMb
    this.#program = program
    this.#events = events
    this.#isolate = new ivm.Isolate({
      memoryLimit: memoryMb,
      snapshot: snapshotFor(program.usesZod),
      onCatastrophicError: (message) => {
        this.#ended ??= this.#overMemory()
        this.#giveUp(this.#ended, message)
      },
    })
  }

  /** Why it can not be used any more. */
  get ended(): GuestEnded | undefined {
    if (this.#isolate.isDisposed) this.#ended ??= this.#overMemory()
    return this.#ended
  }

  /** Makes a context ready for the next call, in the time between two. What goes wrong is the next call's to learn. */
  prepareAhead(): void {
    if (this.ended) return
    this.#ready ??= this.#prepare()
    this.#ready.catch(() => {})
  }

  /**
   * A visit to a fresh context. Throws a LoadFailure when the plugin's code can not be loaded, and a GuestEnded when that
   * went beyond its limits.
   */
  async visit(cpuMs: number, onMessage: GuestSend): Promise<Visit> {
    const ready = this.#ready ?? this.#prepare()
    this.#ready = undefined
    return new Visit(this, await ready, cpuMs, onMessage)
  }

  get cpuNs(): bigint {
    return this.#isolate.isDisposed ? 0n : this.#isolate.cpuTime
  }

  /** Runs one piece of the guest's work after the other. Throws a GuestEnded when a limit ended it. */
  work<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#busy.then(task)
    this.#busy = run.catch(() => {})
    return run
  }

  /** The end that an error of the isolate means, or undefined when it is one that the guest made. */
  endOf(thrown: unknown): GuestEnded | undefined {
    if (this.ended) return this.ended
    const reason = reasonOf(thrown)
    if (reason === ranTooLong) return new GuestEnded('cpu', 'It worked for longer than it may')
    return tooMuchMemory.test(reason) && this.#isolate.isDisposed ? this.#overMemory() : undefined
  }

  /** Waits for a guest that has answered to come to rest. What does not is ended, and the cell with it. */
  async settle(): Promise<void> {
    const atRest = await within(this.#busy, settleMs)
    if (!atRest) this.end(new GuestEnded('cpu', 'It went on working after its answer'))
  }

  /** Ends whatever the guest does; who waits for it learns of it once it is at rest, or can not be brought to rest. */
  end(why: GuestEnded, withinMs = disposalMs): void {
    if (this.ended) return
    this.#ended = why
    this.#isolate.dispose()
    void within(this.#busy, withinMs).then((atRest) => {
      if (atRest) this.onEnd?.(why)
      else this.#giveUp(why, 'it can not be ended')
    })
  }

  /** Lets go of a cell that has no call. */
  close(): void {
    this.end(new GuestEnded('timeout', 'It is not needed any more'), idleDisposalMs)
  }

  #giveUp(why: GuestEnded, message: string): void {
    why.endsProcess = true
    this.#events.onHopeless(this, message)
    this.onEnd?.(why)
  }

  #overMemory(): GuestEnded {
    return new GuestEnded('memory', `It used more than the ${this.memoryMb} MiB of memory it may`)
  }

  async #prepare(): Promise<Prepared> {
    const late = setTimeout(() => this.end(new GuestEnded('timeout', 'Its modules did not load in time')), loadWallMs)
    try {
      return await this.work(() => this.#load())
    } catch (thrown) {
      const ended = this.endOf(thrown)
      if (ended) this.end(ended)
      throw ended ?? (thrown instanceof LoadFailure ? thrown : new LoadFailure(reasonOf(thrown).slice(0, 2_000)))
    } finally {
      clearTimeout(late)
    }
  }

  async #load(): Promise<Prepared> {
    const context = await this.#isolate.createContext()
    // Keel's own code in a context that has no other: so short that another thread would take longer to be woken.
    const enter: ivm.Reference<GuestEnter> = context.evalSync(`${runtimeGlobal}.begin()`, { reference: true })
    const { main, release } = await this.#program.link(this.#isolate, context)
    await main.evaluate({ timeout: loadCpuMs })
    return {
      context,
      enter,
      release: () => {
        release()
        enter.release()
        context.release()
      },
    }
  }
}

/** One call's stay in a fresh context. */
export class Visit {
  readonly #cell: Cell
  readonly #prepared: Prepared
  readonly #send: ivm.Callback
  readonly #ear: { hears?: GuestSend }
  #cpuLeftNs: bigint
  #over = false

  constructor(cell: Cell, prepared: Prepared, cpuMs: number, onMessage: GuestSend) {
    this.#cell = cell
    this.#prepared = prepared
    this.#cpuLeftNs = BigInt(cpuMs) * 1_000_000n
    // The guest's heap keeps the callback long after the call: it may not keep the call with it.
    const ear: { hears?: GuestSend } = { hears: onMessage }
    this.#ear = ear
    this.#send = new ivm.Callback((...message: Parameters<GuestSend>) => ear.hears?.(...message), { ignored: true })
  }

  begin(kind: 'start' | 'describe', text: string): Promise<void> {
    return this.#enter(kind, this.#send, text)
  }

  tell(kind: 'answer' | 'refuse' | 'abort' | 'timer', ...rest: (string | number)[]): Promise<void> {
    return this.#enter(kind, ...rest)
  }

  /** Lets go of the context; nothing of it is heard any more. */
  leave(): void {
    this.#over = true
    delete this.#ear.hears
    if (!this.#cell.ended) this.#prepared.release()
  }

  /** Settles once the guest is at rest. Throws a GuestEnded when a limit ended it. */
  #enter(...args: unknown[]): Promise<void> {
    return this.#cell.work(async () => {
      if (this.#over) return
      const before = this.#cell.cpuNs
      const timeout = Math.max(1, Math.ceil(Number(this.#cpuLeftNs) / 1e6))
      try {
        await this.#prepared.enter.apply(undefined, args as never, { timeout, result: { copy: true } })
      } catch (thrown) {
        const ended = this.#cell.endOf(thrown)
        if (ended) {
          this.#cell.end(ended)
          throw ended
        }
        // A promise that the guest rejected and nobody awaits: its tool may still answer.
      }
      this.#cpuLeftNs -= this.#cell.cpuNs - before
      if (this.#cpuLeftNs <= 0n) {
        const ended = new GuestEnded('cpu', 'It worked for longer than it may')
        this.#cell.end(ended)
        throw ended
      }
    })
  }
}

/** Whether the work settles within the time. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  const settled = work.then(
    () => true,
    () => true,
  )
  return Promise.race([settled, late]).finally(() => clearTimeout(timer))
}
