import type { Logger } from 'pino'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import type { ReadableDb } from '#kernel/store/database.ts'
import type { MemoryRow } from '#kernel/store/memories.ts'
import type { MemoryCounts } from '#kernel/store/memory-lists.ts'
import type { MemoryLine } from '#kernel/store/memory-transfer.ts'
import type { Store } from '#kernel/store/store.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { CallContext, Client, Params, ServiceHandlers } from '#sdk/service.ts'
import type { inferenceService } from '#sdk/services/inference.ts'
import type { kernelForAgent, kernelForMemory } from '#sdk/services/kernel.ts'
import type { ConsolidationReport, EmbeddingStatus, MemoryQuery, memoryService } from '#sdk/services/memory.ts'
import { type Announce, announcer } from './announce.ts'
import { consolidate, isConsolidationDue } from './consolidation.ts'
import { EmbeddingProgress } from './embedding-progress.ts'
import { type Forgotten, findForgettable, forgetAll, forgetEntry } from './forget.ts'
import { importLines } from './import.ts'
import { IngestPump } from './ingest-pump.ts'
import { memoryTerms } from './memory-terms.ts'
import { memoryToolsOf } from './memory-tools.ts'
import { MemoryWork } from './memory-work.ts'
import { keepNote, type NoteToKeep } from './note.ts'
import { recallForTurn } from './recall-for-turn.ts'
import { memorySettingsOf } from './settings.ts'

type RecallMethod = (typeof kernelForAgent)['methods']['recall']

/** How long a search, and a question how the service is, may take, in milliseconds. */
const searchMs = 5_000
const statusMs = 2_000

export interface MemoryDeps {
  store: Store
  bus: EventBus
  config: LiveConfig
  log: Logger
  /** Whether anything but the built-in offline model may answer. */
  hasModel: () => boolean
  /** There only once the services are. */
  service: () => Client<typeof memoryService>
  inference: () => Client<typeof inferenceService>
}

/** The kernel's side of memory: it alone writes, one change after the other; what to write, the memory service says. */
export class Memory {
  readonly #deps: MemoryDeps
  readonly #work = new MemoryWork()
  readonly #announce: Announce
  readonly #pump: IngestPump
  readonly #progress: EmbeddingProgress
  readonly terms: ServiceHandlers<typeof kernelForMemory>
  readonly tools: readonly Tool[]

  constructor(deps: MemoryDeps) {
    this.#deps = deps
    const { store, inference } = deps
    this.#announce = announcer(deps)
    this.#pump = new IngestPump(this.#parts())
    this.#progress = new EmbeddingProgress(deps.bus)
    this.terms = memoryTerms({ store, inference, progress: this.#progress, settings: () => this.#settings() })
    this.tools = memoryToolsOf(this)
  }

  get read(): ReadableDb {
    return this.#deps.store.read
  }

  agentId = (): string => this.#deps.config.current().agent.id

  recallForTurn = (params: Params<RecallMethod>, call: Pick<CallContext<RecallMethod>, 'signal'>) =>
    recallForTurn(params, call, this.#deps)

  /** A turn may have ended, or the service may be back. */
  wake = (): void => this.#pump.wake()

  /** The settings have changed. A process that is not there now asks for them when it starts. */
  configure(): void {
    const { service, log } = this.#deps
    service()
      .configure(this.#settings())
      .catch((err: unknown) => log.warn({ err }, 'the memory service takes its settings later'))
  }

  /** `unavailable` where the memory does not answer in time. */
  async search(query: Omit<MemoryQuery, 'now'>, signal?: AbortSignal) {
    try {
      const patience = { timeoutMs: searchMs, ...(signal && { signal }) }
      return await this.#deps.service().search({ ...query, now: timestamp() }, patience)
    } catch (thrown) {
      if (!isErrorOf(thrown, 'timeout')) throw thrown
      const message = `the memory did not answer within ${searchMs} ms`
      throw new RuntimeError('unavailable', message, { retry_after_seconds: 2 }, { cause: thrown })
    }
  }

  /** How far the vectors are; null where the service does not answer. */
  async embeddingStatus(): Promise<EmbeddingStatus | null> {
    try {
      return (await this.#deps.service().status({}, { timeoutMs: statusMs })).embedding
    } catch (thrown) {
      if (isErrorOf(thrown, 'unavailable', 'timeout')) return null
      throw thrown
    }
  }

  counts(owner: { agent_id: string; scope_key: string } | null): Promise<MemoryCounts> {
    return this.#deps.store.pool.run('countMemories', owner)
  }

  keep(note: NoteToKeep): Promise<MemoryRow> {
    return keepNote(note, this.#parts())
  }

  forgetEntry(id: string): Promise<number> {
    return forgetEntry(id, this.#parts())
  }

  findForgettable(what: { session_id: string } | { subject: string }): Promise<Forgotten> {
    return findForgettable(what, this.#deps)
  }

  forgetAll(what: { session_id: string } | { subject: string }): Promise<Forgotten> {
    return forgetAll(what, this.#parts())
  }

  importLines(lines: readonly MemoryLine[]): Promise<{ imported: number; skipped: number }> {
    return importLines(lines, this.#parts())
  }

  consolidate(): Promise<ConsolidationReport> {
    return consolidate(this.#parts())
  }

  /** Now and then: consolidates once a day, and looks whether a turn was left behind. */
  tidy(): void {
    this.wake()
    if (!isConsolidationDue(this.read)) return
    this.consolidate().catch((err: unknown) =>
      this.#deps.log.warn({ err }, 'the memory could not be tidied up, which is tried again'),
    )
  }

  async close(): Promise<void> {
    this.#progress.close()
    const pumped = this.#pump.close()
    await this.#work.close()
    await pumped
  }

  #parts() {
    return { ...this.#deps, work: this.#work, announce: this.#announce }
  }

  #settings() {
    return memorySettingsOf(this.#deps.config.current(), this.#deps.hasModel())
  }
}
