import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Approvals } from '#kernel/approvals/approvals.ts'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import { countApprovalsOfTurn } from '#kernel/store/approvals.ts'
import type { Store } from '#kernel/store/store.ts'
import { StoreError } from '#kernel/store/store-fault.ts'
import { beginAttempt, listRunningTurns, loadTurn, turnRequest as storedRequest } from '#kernel/store/turns.ts'
import type { Toolbox } from '#kernel/tools/toolbox.ts'
import { isErrorOf, RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { Client } from '#sdk/service.ts'
import type { agentService, TurnEnd } from '#sdk/services/agent.ts'
import { withSpan } from '#sdk/telemetry/tracing.ts'
import { noAnswer, storeTurnEnd, type TurnTotals } from './finish-turn.ts'
import type { InFlight } from './in-flight.ts'
import { LiveTurn } from './live-turn.ts'
import { type SkillsFor, turnJobOf } from './turn-job.ts'
import { type TurnRequest, turnRequest } from './turn-request.ts'
import { endTurnSpan, turnSpan } from './turn-trace.ts'

/** Turns under way at once, those aside that wait for a person; one more is refused as `unavailable`. */
const maxLiveTurns = 256
/** A turn that so many processes have taken up and lost is ended rather than tried again. */
const maxAttempts = 25
/** How long to wait before a turn is handed to the next process, growing with each loss in a row. */
const retryDelaysMs = [0, 50, 200, 500, 1_000, 2_000]
/** How long an answer waits for a database that takes no writes, before its caller is told so, in milliseconds. */
const answerWaitMs = 30_000
/** After so long a turn that was put off is tried again in any case, in milliseconds. */
const putOffMs = 60_000

export interface TurnOutcome {
  turn_id: string
  session_id: string
  assistant_message_id: string
  content: string
  status: 'ok' | 'error' | 'blocked' | 'limit' | 'interrupted'
  react_turns: number
  latency_ms: number
  request: TurnRequest
  totals: TurnTotals
}

export interface RunningTurn {
  live: LiveTurn
  /** Rejects only when the kernel stops first; the turn then goes on after the next start. */
  outcome: Promise<TurnOutcome>
}

interface TurnRunnerDeps {
  store: Store
  bus: EventBus
  config: LiveConfig
  agent: Client<typeof agentService>
  approvals: Pick<Approvals, 'settled' | 'announce'>
  toolbox: Toolbox
  skillsFor: SkillsFor
  log: Logger
  version: string
  /** What will probably answer, for those who are told before it is chosen. */
  expectedModel: () => string
  /** Called after each stored answer, off the caller's path. */
  onFinished: (outcome: TurnOutcome) => void
}

/**
 * Hands accepted turns to the agent service and sees them through: a turn whose process died goes on in the next one
 * from its journal, a turn that the kernel's own death cut off goes on at the next start.
 */
export class TurnRunner {
  readonly #deps: TurnRunnerDeps
  readonly #running = new Map<string, RunningTurn>()
  #closing = false

  constructor(deps: TurnRunnerDeps) {
    this.#deps = deps
  }

  get activeCount(): number {
    return this.#running.size
  }

  /** Of these, the ones that wait for a person. */
  get parkedCount(): number {
    return [...this.#running.values()].filter(({ live }) => live.parked).length
  }

  find(turnId: string): RunningTurn | undefined {
    return this.#running.get(turnId)
  }

  ofSession(sessionId: string): RunningTurn[] {
    return [...this.#running.values()].filter(({ live }) => live.sessionId === sessionId)
  }

  /** Throws `unavailable` when no further turn can be taken; asked before a message is accepted. */
  requireRoom(): void {
    if (this.#closing) throw new RuntimeError('unavailable', 'Keel is stopping', { retry_after_seconds: 2 })
    const busy = [...this.#running.values()].filter(({ live }) => !live.parked)
    if (busy.length >= maxLiveTurns) {
      throw new RuntimeError('unavailable', `${maxLiveTurns} turns are under way`, { retry_after_seconds: 1 })
    }
  }

  /**
   * Turns of one session run one after the other, in the order in which they were accepted. One that waits for a person
   * lets the next one pass.
   */
  start(turnId: string, sessionId: string): RunningTurn {
    const live = new LiveTurn(turnId, sessionId)
    const earlier = this.ofSession(sessionId).at(-1)
    const turn = earlier
      ? Promise.race([earlier.outcome.catch(() => {}), earlier.live.firstParked]).then(() => this.#run(live))
      : this.#run(live)
    const outcome = turn.finally(() => this.#running.delete(turnId))
    const running = { live, outcome }
    this.#running.set(turnId, running)
    outcome.catch((err) => this.#putOff(running, err))
    return running
  }

  /** A turn that the database did not take goes on when it takes writes again; any other at the next start. */
  #putOff({ live }: RunningTurn, err: unknown): void {
    const { log, store } = this.#deps
    if (!(err instanceof StoreError) || err.fault === 'corrupt') {
      log.warn({ err, turn_id: live.id }, 'a turn was left for the next start')
      return
    }
    log.warn({ err, turn_id: live.id }, 'a turn was put off until the database takes writes again')
    void store.mended(putOffMs).then(() => {
      if (!this.#closing) this.start(live.id, live.sessionId)
    })
  }

  /** Takes up what an earlier kernel had accepted and not finished. Whoever asks the same again is told that it is under way. */
  resumeUnfinished(inFlight: Pick<InFlight, 'hold'>): number {
    const unfinished = listRunningTurns(this.#deps.store.read)
    for (const { id, session_id, message_key } of unfinished) {
      const { outcome } = this.start(id, session_id)
      if (message_key === null) continue
      const release = inFlight.hold(message_key)
      outcome.then(release, release)
    }
    return unfinished.length
  }

  /** Waits for the turns under way, then lets go of the rest; their journals stay for the next start. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    const running = [...this.#running.values()]
    const busy = running.filter(({ live }) => !live.parked)
    await Promise.race([
      Promise.allSettled(busy.map(({ outcome }) => outcome)),
      delay(graceMs, undefined, { ref: false }),
    ])
    for (const { live } of running) live.suspend()
    await Promise.allSettled(running.map(({ outcome }) => outcome))
  }

  /** In the turn's own place of its trace, whoever has it go on. The span of a turn that is let go of is ended by whoever ends it. */
  async #run(live: LiveTurn): Promise<TurnOutcome> {
    const { store } = this.#deps
    const request = turnRequest.parse(JSON.parse(storedRequest(store.read, live.id)))
    const span = turnSpan(request, loadTurn(store.read, live.id))
    const outcome = await withSpan(span, () => this.#carryOut(live, request))
    endTurnSpan(span, outcome)
    return outcome
  }

  async #carryOut(live: LiveTurn, request: TurnRequest): Promise<TurnOutcome> {
    const { store, config, version, toolbox, skillsFor } = this.#deps
    let deadline = Date.now() + request.max_seconds * 1000
    if (request.streamed) this.#announceStart(live)
    let attempt = 0
    let taken = true
    for (let losses = 0; ; losses++) {
      // An attempt that no process took up is still to be had.
      if (taken) attempt = await this.#keep(live, deadline, () => beginAttempt(store.write, live.id))
      // A turn that waited for a person was not lost by anybody.
      if (attempt > maxAttempts && attempt - countApprovalsOfTurn(store.read, live.id) > maxAttempts)
        return this.#finish(live, request, failedEnd('The turn was interrupted too often and was given up.'))
      try {
        const turn = loadTurn(store.read, live.id)
        const job = turnJobOf(store.read, {
          turn,
          attempt,
          request,
          config: config.current(),
          toolbox,
          skillsFor,
          version,
          deadline: timestamp(deadline),
        })
        const end = await this.#deps.agent.run(job, { signal: live.signal, onChunk: (chunk) => live.announce(chunk) })
        if (end.status !== 'awaiting_approval') return this.#finish(live, request, { ...end, status: end.status })
        deadline += await this.#park(live)
        losses = -1
        taken = true
        if (live.text !== '') await live.announce({ type: 'content_replaced', content: '' })
      } catch (thrown) {
        const error = toRuntimeError(thrown)
        if (live.suspended)
          throw new RuntimeError('unavailable', 'Keel is stopping; the turn goes on after the next start', {
            retry_after_seconds: 2,
            turn_id: live.id,
          })
        if (error.kind === 'cancelled') return this.#finish(live, request, interruptedEnd(live.text))
        const lost = isErrorOf(error, 'unavailable', 'outcome_unknown')
        if (!lost || Date.now() >= deadline) {
          this.#deps.log.error({ err: error, turn_id: live.id }, 'a turn failed')
          return this.#finish(live, request, failedEnd(`The turn could not be finished: ${error.message}.`))
        }
        taken = error.kind === 'outcome_unknown'
        if (live.text !== '') await live.announce({ type: 'content_replaced', content: '' })
        await delay(retryDelaysMs[Math.min(losses, retryDelaysMs.length - 1)], undefined, {
          signal: live.signal,
        }).catch(() => {})
      }
    }
  }

  /** Waits, without a process, until a person has decided; returns for how many milliseconds. */
  async #park(live: LiveTurn): Promise<number> {
    const since = Date.now()
    live.park()
    try {
      await this.#deps.approvals.settled(live.id, live.signal)
    } catch (thrown) {
      live.signal.throwIfAborted()
      throw thrown
    } finally {
      live.unpark()
    }
    return Date.now() - since
  }

  /** Waits for a database that takes no writes, until then. */
  #keep<T>(live: LiveTurn, until: number, write: () => T): Promise<T> {
    return this.#deps.store.insist(write, until - Date.now(), live.signal)
  }

  async #finish(
    live: LiveTurn,
    request: TurnRequest,
    end: Omit<TurnEnd, 'status'> & { status: TurnOutcome['status'] },
  ): Promise<TurnOutcome> {
    const { store, bus, approvals, onFinished } = this.#deps
    const stored = await this.#keep(live, Date.now() + answerWaitMs, () =>
      storeTurnEnd(store, {
        turn_id: live.id,
        status: end.status,
        content: end.content,
        react_turns: end.react_turns,
        error: end.reason,
      }),
    )
    if (!stored) throw new RuntimeError('conflict', `turn ${live.id} was finished elsewhere`)
    if (live.text !== end.content) await live.announce(missingText(live.text, end.content))
    const { totals, message, withdrawn } = stored
    const latency_ms = Date.now() - Date.parse(loadTurn(store.read, live.id).created_at)
    const outcome: TurnOutcome = {
      turn_id: live.id,
      session_id: live.sessionId,
      assistant_message_id: message.id,
      content: end.content,
      status: end.status,
      react_turns: end.react_turns,
      latency_ms,
      request,
      totals,
    }
    bus.publish('message_appended', {
      session_id: live.sessionId,
      message_id: message.id,
      role: 'assistant',
      turn_id: live.id,
      created_at: message.created_at,
    })
    bus.publish('turn_completed', {
      turn_id: live.id,
      session_id: live.sessionId,
      model: totals.model,
      tokens_in: totals.tokens_in,
      tokens_out: totals.tokens_out,
      cost: totals.cost,
      cached: totals.cached,
      react_turns: end.react_turns,
      latency_ms,
      status: end.status,
    })
    if (request.streamed) this.#announceEnd(outcome)
    for (const approval of withdrawn) approvals.announce(approval)
    onFinished(outcome)
    return outcome
  }

  #announceStart(live: LiveTurn): void {
    const { bus, expectedModel } = this.#deps
    bus.publish('stream_start', { turn_id: live.id, session_id: live.sessionId, model: expectedModel() })
    live.listen((event) => {
      if (event.type === 'delta')
        bus.publish('stream_chunk', { session_id: live.sessionId, delta: event.delta, done: false })
    })
  }

  #announceEnd({ turn_id, session_id, content, status, totals }: TurnOutcome): void {
    const { bus, expectedModel } = this.#deps
    bus.publish('stream_chunk', { session_id, delta: '', done: true })
    bus.publish('stream_end', {
      turn_id,
      session_id,
      model: totals.model ?? expectedModel(),
      tokens_in: totals.tokens_in,
      tokens_out: totals.tokens_out,
      content_length: Buffer.byteLength(content),
      content_blocked: status === 'blocked',
    })
  }
}

function failedEnd(content: string) {
  return { status: 'error' as const, content, reason: content, react_turns: 0 }
}

function interruptedEnd(text: string) {
  const content = text.trim() === '' ? noAnswer : text
  return { status: 'interrupted' as const, content, reason: 'cancelled', react_turns: 0 }
}

/** What listeners lack of the stored answer. */
function missingText(sent: string, stored: string) {
  return stored.startsWith(sent)
    ? { type: 'delta' as const, delta: stored.slice(sent.length), model: null }
    : { type: 'content_replaced' as const, content: stored }
}
