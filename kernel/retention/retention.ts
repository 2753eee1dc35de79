import { setImmediate as nextRound } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Channels } from '#kernel/channels/channels.ts'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { Config } from '#kernel/config/schema.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import {
  databaseSize,
  listRetentionRuns,
  type RetentionRun,
  recordRetentionRun,
  shrink,
} from '#kernel/store/retention.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { recordKinds } from './record-kinds.ts'

const dayMs = 86_400_000
/** Between two runs that nobody asked for, in milliseconds: a little less than a day, so that the hour stays the same. */
const everyMs = dayMs - 600_000
/** Empty pages that leave the file in one step. */
const pagesAtOnce = 128
/** Runs that are remembered. */
const keptRuns = 100

type Kind = keyof Config['retention']

interface Deps {
  store: Store
  bus: EventBus
  config: LiveConfig
  log: Logger
  channels: Pick<Channels, 'outbox'>
}

/** Lets go of what is older than `[retention]` keeps it. */
export class Retention {
  readonly #deps: Deps
  readonly #closing = new AbortController()
  #running: Promise<RetentionRun> | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Called now and then: a run, where the last one is a day ago. */
  tidy(): void {
    const [last] = listRetentionRuns(this.#deps.store.read, 1)
    if (this.isRunning || (last && Date.now() - Date.parse(last.started_at) < everyMs)) return
    this.run('housekeeping').catch((err) => this.#deps.log.warn({ err }, 'old records could not be removed'))
  }

  /** One at a time: `conflict` while another is under way. What was removed before an error stays removed, and is told. */
  async run(started_by: RetentionRun['started_by'], signal?: AbortSignal): Promise<RetentionRun> {
    if (this.#running) throw new RuntimeError('conflict', 'old records are being removed already')
    const either = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal
    this.#running = this.#run(started_by, either)
    try {
      return await this.#running
    } finally {
      this.#running = undefined
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new RuntimeError('unavailable', 'Keel is stopping'))
    // Whoever began it is told what became of it.
    await this.#running?.catch(() => {})
  }

  async #run(started_by: RetentionRun['started_by'], signal: AbortSignal): Promise<RetentionRun> {
    const { store, bus, log } = this.#deps
    const startedAt = Date.now()
    const before = databaseSize(store.read)
    const removed: Partial<Record<Kind, number>> = {}
    let failure: RuntimeError | undefined
    try {
      for (const kind of Object.keys(recordKinds) as Kind[])
        await this.#forget(kind, {
          now: startedAt,
          signal,
          count: (gone) => {
            if (gone > 0) removed[kind] = (removed[kind] ?? 0) + gone
          },
        })
      if (before.shrinks) while (shrink(store.write, pagesAtOnce)) await nextStep(signal)
    } catch (thrown) {
      failure = toRuntimeError(thrown)
    }
    const after = databaseSize(store.read)
    const run: RetentionRun = {
      id: newId(),
      started_by,
      started_at: timestamp(startedAt),
      duration_ms: Date.now() - startedAt,
      removed,
      freed_bytes: Math.max(0, before.file - before.free - (after.file - after.free)),
      file_bytes: after.file,
      error: failure?.message ?? null,
    }
    recordRetentionRun(store.write, run, keptRuns)
    log.info({ removed, freed_bytes: run.freed_bytes, ms: run.duration_ms, err: failure }, 'old records were removed')
    bus.publish('retention_run', run)
    if (failure) throw failure
    return run
  }

  async #forget(
    kind: Kind,
    { now, signal, count }: { now: number; signal: AbortSignal; count: (gone: number) => void },
  ): Promise<void> {
    const { store, bus, channels } = this.#deps
    const config = this.#deps.config.current()
    const days = config.retention[kind]
    if (days === 0) return
    const { atOnce, forget } = recordKinds[kind]
    const before = timestamp(now - days * dayMs)
    for (let gone = atOnce; gone === atOnce; ) {
      await nextStep(signal)
      gone = await forget(before, atOnce, { store, bus, channels, config })
      count(gone)
    }
  }
}

/** Others have their turn between two steps. */
async function nextStep(signal: AbortSignal): Promise<void> {
  await nextRound()
  signal.throwIfAborted()
}
