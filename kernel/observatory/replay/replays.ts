import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Payer } from '#kernel/budgets/payer.ts'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import { insertReplay } from '#kernel/store/replays.ts'
import type { Store } from '#kernel/store/store.ts'
import { loadTurn } from '#kernel/store/turns.ts'
import type { Toolbox } from '#kernel/tools/toolbox.ts'
import type { ReplayChanges, ReplayEvent, ReplayRecord, ReplayReport, ReplaySide } from '#sdk/contracts/replays.ts'
import { isErrorOf, RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import type { Client, ServiceHandlers } from '#sdk/service.ts'
import type { agentService, TurnChunk, TurnEnd } from '#sdk/services/agent.ts'
import type { inferenceService } from '#sdk/services/inference.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import { LiveReplay } from './live-replay.ts'
import { recordedCalls } from './recorded-calls.ts'
import { loadRecordedTurn, type RecordedTurn } from './recorded-turn.ts'
import { planReplay, type ReplayPlan } from './replay-job.ts'
import { replaySide } from './replay-side.ts'
import { wordDiff } from './word-diff.ts'

type AgentTerms = ServiceHandlers<typeof kernelForAgent>

/** Replays under way at once; one more is refused as `unavailable`. */
const maxLive = 2
const retryAfterSeconds = 10
/** How many processes may be lost under a replay before it is given up. */
const maxLosses = 5
const lossDelayMs = 200
/** How long a replay that is done waits for a database that takes no writes, in milliseconds. */
const storeWaitMs = 10_000
/** What the ids of replays begin with, and no turn's does. */
const idPrefix = 'replay-'

interface ReplaysDeps {
  store: Store
  bus: EventBus
  config: LiveConfig
  log: Logger
  version: string
  toolbox: () => Toolbox
  agent: () => Client<typeof agentService>
  inference: () => Client<typeof inferenceService>
}

interface Watcher {
  signal: AbortSignal
  onEvent?: (event: ReplayEvent) => void | Promise<void>
}

/** Recorded turns, run again by the agent itself against a kernel side that has no effects but the replay's own record. */
export class Replays {
  readonly #deps: ReplaysDeps
  readonly #live = new Map<string, LiveReplay>()
  readonly #closing = new AbortController()

  constructor(deps: ReplaysDeps) {
    this.#deps = deps
  }

  /** What the agent may ask of the kernel: for a replay of the replay's side, for a turn of `turns`. */
  terms(turns: AgentTerms): AgentTerms {
    const side = ({ turn_id }: { turn_id: string }) => (turn_id.startsWith(idPrefix) ? this.#load(turn_id) : turns)
    return {
      recall: (params, call) => side(params).recall(params, call),
      saveContext: (params, call) => side(params).saveContext(params, call),
      infer: (params, call) => side(params).infer(params, call),
      callTool: (params, call) => side(params).callTool(params, call),
    }
  }

  /** Throws what keeps the turn from being replayed, and `unavailable` where others are under way. */
  async run(
    turnId: string,
    changes: ReplayChanges,
    { payer, signal, onEvent = () => {} }: Watcher & { payer: Payer },
  ): Promise<ReplayReport> {
    const { store, config, version, toolbox, inference } = this.#deps
    this.#requireRoom()
    const recorded = loadRecordedTurn(store.read, turnId)
    const id = `${idPrefix}${newId()}`
    const replay = planReplay(id, recorded, changes, { config: config.current(), toolbox: toolbox(), version })
    const live = new LiveReplay({
      inference: inference(),
      turn_id: turnId,
      payer,
      plan: replay.plan,
      changes,
      isPinned: replay.isPinned,
      answerCall: recordedCalls(recorded.steps),
      onStep: (step) => void onEvent({ type: 'step', step }),
    })
    this.#live.set(id, live)
    try {
      await onEvent({ type: 'replay_start', replay_id: id, turn_id: turnId, model: replay.job.model })
      const both = AbortSignal.any([signal, this.#closing.signal])
      const side = await this.#perform(live, replay, { signal: both, onEvent })
      const record = {
        replay_id: id,
        turn_id: turnId,
        created_at: timestamp(),
        changes,
        replay: side,
        notes: replay.notes,
      }
      await this.#keep(record, both)
      this.#announce(record, recorded)
      const original = originalSide(recorded)
      return { ...record, original, diff: await wordDiff(original.content, side.content) }
    } finally {
      this.#live.delete(id)
    }
  }

  /** Ends those under way. */
  close(): void {
    this.#closing.abort(new RuntimeError('unavailable', 'Keel is stopping', { retry_after_seconds: 2 }))
  }

  async #perform(live: LiveReplay, replay: ReplayPlan, watcher: Required<Watcher>): Promise<ReplaySide> {
    const startedAt = performance.now()
    const { status, reason, content } = await this.#reachEnd(live, replay, watcher)
    if (status === 'error' && live.refusal) throw live.refusal
    const latency_ms = Math.round(performance.now() - startedAt)
    return replaySide(live.steps, { status, reason, content, latency_ms, answeredAt: live.answeredAt })
  }

  /** The turn may have been deleted meanwhile. */
  #keep(record: ReplayRecord, signal: AbortSignal): Promise<void> {
    const { write, insist } = this.#deps.store
    const keep = () => {
      loadTurn(write, record.turn_id)
      insertReplay(write, record)
    }
    return insist(keep, storeWaitMs, signal)
  }

  #announce({ replay_id, turn_id, replay }: ReplayRecord, { turn }: RecordedTurn): void {
    const { model, status, tokens_in, tokens_out, cost, latency_ms } = replay
    this.#deps.bus.publish('replay_finished', {
      replay_id,
      turn_id,
      session_id: turn.session_id,
      model,
      status,
      tokens_in,
      tokens_out,
      cost,
      latency_ms,
    })
  }

  #requireRoom(): void {
    this.#closing.signal.throwIfAborted()
    if (this.#live.size < maxLive) return
    const message = `${maxLive} replays are under way`
    throw new RuntimeError('unavailable', message, { retry_after_seconds: retryAfterSeconds })
  }

  #load(id: string): LiveReplay {
    const live = this.#live.get(id)
    if (!live) throw new RuntimeError('conflict', `replay ${id} is over`)
    return live
  }

  async #reachEnd(live: LiveReplay, { job }: ReplayPlan, { signal, onEvent }: Required<Watcher>): Promise<TurnEnd> {
    const { agent, log } = this.#deps
    for (let losses = 0; ; losses++) {
      const attempt = live.beginAttempt()
      try {
        return await agent().run(
          { ...job, attempt, steps: live.steps },
          { signal, onChunk: (chunk) => onEvent(eventOf(chunk)) },
        )
      } catch (thrown) {
        signal.throwIfAborted()
        const error = toRuntimeError(thrown)
        const isLost = isErrorOf(error, 'unavailable', 'outcome_unknown')
        if (!isLost || losses >= maxLosses || Date.now() >= Date.parse(job.limits.deadline)) throw error
        log.warn({ err: error, replay_id: job.turn_id }, 'a replay lost its process and goes on in the next one')
        await onEvent({ type: 'content_replaced', content: '' })
        await delay(lossDelayMs * losses, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    }
  }
}

function originalSide({ turn, steps, answer }: RecordedTurn) {
  return replaySide(steps, {
    status: turn.status,
    reason: turn.error,
    content: answer,
    latency_ms: turn.latency_ms ?? 0,
    answeredAt: () => 'ran',
  })
}

function eventOf(chunk: TurnChunk): ReplayEvent {
  switch (chunk.type) {
    case 'delta':
      return { type: 'chunk', delta: chunk.delta }
    case 'content_replaced':
      return chunk
    case 'blocked':
      return { type: 'content_replaced', content: '' }
  }
}
