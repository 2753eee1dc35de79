import { Slots } from '#kernel/slots.ts'
import { isErrorOf } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { GuestAnswer, GuestCall, GuestProgress, sandboxService } from '#sdk/services/sandbox.ts'

/** Calls at a time: of all plugins, and of one of them; and how many may wait. */
const maxCalls = 8
const maxCallsOfOne = 4
const waiting = { maxWaiting: 256, what: 'the sandbox', retryAfterSeconds: 1 }
/** Past its wall clock by so long, in milliseconds, a call is one that the process can not end. */
const wallGraceMs = 250
/** What may pass before a process is there and has taken the call, in milliseconds. */
const startMs = 20_000
/** With so many crashes during it, a call is taken for the one that causes them. */
const maxCrashes = 3
/** So often a call may be lost on its way to a process that ends, before that counts as a crash during it. */
const maxLosses = 3
/** So often the cause of an end within this time, in milliseconds, a plugin has made trouble enough. */
const maxStrikes = 3
const strikesWithinMs = 300_000

export interface SandboxCallsDeps {
  sandbox: Pick<Client<typeof sandboxService>, 'run'>
  /** Ends the process of the sandbox at once, by force. */
  endProcess: (reason: string) => void
  /** A plugin has ended the process three times in five minutes. */
  onStrikes: (plugin: string) => void
  /** Milliseconds of a clock that is never set. */
  now?: () => number
}

export interface SandboxRun {
  signal: AbortSignal
  onProgress?: (progress: GuestProgress) => void
  /** The tool may be run twice without harm. */
  idempotent: boolean
  /** Whether a host function that changes something was performed for the call. */
  effects: () => boolean
}

/**
 * Runs calls in a process that any of them may end. Those that were under way with the culprit are run again where that
 * does no harm, one at a time: the next crash then names its cause, and nobody else fails by it.
 */
export class SandboxCalls {
  readonly #deps: SandboxCallsDeps
  readonly #now: () => number
  readonly #slots = new Slots({ max: maxCalls, maxOfOne: maxCallsOfOne, ...waiting })
  readonly #suspects = new Slots({ max: 1, maxOfOne: 1, ...waiting })
  readonly #strikes = new Map<string, number[]>()

  constructor(deps: SandboxCallsDeps) {
    this.#deps = deps
    this.#now = deps.now ?? (() => performance.now())
  }

  /**
   * The guest's answer. Throws `cancelled`, `unavailable` when there is no process, and `outcome_unknown` when it ended
   * during the call and the call may not be run again.
   */
  async run(call: GuestCall, run: SandboxRun): Promise<GuestAnswer> {
    let crashes = 0
    let losses = 0
    for (;;) {
      const progress = { started: false }
      const release = await (crashes === 0 ? this.#slots : this.#suspects).take(call.plugin, run.signal)
      try {
        return await this.#attempt(call, run, progress)
      } catch (thrown) {
        if (!isErrorOf(thrown, 'outcome_unknown')) throw thrown
        if (!progress.started && ++losses <= maxLosses) continue
        if (++crashes >= maxCrashes) return this.#culprit(call, 'crashed', 'It ended the process each time it ran')
        if (!run.idempotent && run.effects()) throw thrown
      } finally {
        release()
      }
    }
  }

  async #attempt(
    call: GuestCall,
    { signal, onProgress }: SandboxRun,
    progress: { started: boolean },
  ): Promise<GuestAnswer> {
    const { wall_ms } = call.limits
    const overdue = Promise.withResolvers<'overdue'>()
    let timer: NodeJS.Timeout | undefined
    const answering = this.#deps.sandbox.run(call, {
      signal,
      timeoutMs: wall_ms + startMs,
      onChunk(chunk) {
        if (chunk.type === 'progress') onProgress?.(chunk)
        else {
          progress.started = true
          timer ??= setTimeout(() => overdue.resolve('overdue'), wall_ms + wallGraceMs)
        }
      },
    })
    try {
      const answer = await Promise.race([answering, overdue.promise])
      if (answer === 'overdue') {
        answering.catch(() => {}) // It fails with the process.
        this.#deps.endProcess(`a call of ${call.plugin} did not end in its time`)
        return this.#culprit(call, 'timeout', `It did not end within ${wall_ms} ms`)
      }
      if (answer.metadata?.process_ended === true) this.#strike(call.plugin)
      return answer
    } finally {
      clearTimeout(timer)
    }
  }

  #culprit(call: GuestCall, fault: 'crashed' | 'timeout', output: string): GuestAnswer {
    this.#strike(call.plugin)
    return { status: 'error', output, metadata: { process_ended: true }, fault }
  }

  #strike(plugin: string): void {
    const since = this.#now() - strikesWithinMs
    const strikes = [...(this.#strikes.get(plugin) ?? []).filter((at) => at > since), this.#now()]
    if (strikes.length < maxStrikes) {
      this.#strikes.set(plugin, strikes)
      return
    }
    this.#strikes.delete(plugin)
    this.#deps.onStrikes(plugin)
  }
}
