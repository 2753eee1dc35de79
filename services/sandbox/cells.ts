import { LRUCache } from 'lru-cache'
import type { GuestModules, GuestPlugin } from '#sdk/services/sandbox.ts'
import { Cell, type CellEvents } from './cell.ts'
import { GuestProgram } from './guest-program.ts'

const mebibyte = 1024 * 1024
/** Isolates that wait for their next call, and versions of plugins whose code is kept. */
const maxIdleCells = 12
const maxPrograms = 64
/** Once the process has more than this, fewer wait: each keeps what its former contexts have left until it tidies up. */
const heavyBytes = 176 * mebibyte
const maxIdleCellsWhenHeavy = 4

/** The isolates of all plugins: warm ones are used again, and the longest unused end first. */
export class Cells {
  readonly #load: (plugin: GuestPlugin) => Promise<GuestModules>
  readonly #events: CellEvents
  readonly #programs = new LRUCache<string, Promise<GuestProgram>>({ max: maxPrograms })
  /** The most recently used last. */
  #idle: Cell[] = []

  constructor(load: (plugin: GuestPlugin) => Promise<GuestModules>, events: CellEvents) {
    this.#load = load
    this.#events = events
  }

  /** A cell for one call, to be given back. Throws a LoadFailure when the plugin's code can not be loaded. */
  async take(plugin: GuestPlugin, memoryBytes: number): Promise<Cell> {
    const memoryMb = Math.floor(memoryBytes / mebibyte)
    const at = this.#idle.findLastIndex((cell) => cell.digest === plugin.digest && cell.memoryMb === memoryMb)
    const [idle] = at >= 0 ? this.#idle.splice(at, 1) : []
    if (idle && !idle.ended) return idle
    const program = await this.#programOf(plugin)
    return new Cell({ ...plugin, memoryMb }, program, this.#events)
  }

  giveBack(cell: Cell): void {
    if (cell.ended) return
    if (!this.#programs.has(cell.digest)) {
      cell.close()
      return
    }
    cell.prepareAhead()
    this.#idle.push(cell)
    const spare = this.#idle.length - this.#maxIdle()
    if (spare > 0) for (const longestUnused of this.#idle.splice(0, spare)) longestUnused.close()
  }

  /** Ends what waits of a version, and what is in use of it when it is given back. */
  forget(digest: string): void {
    this.#programs.delete(digest)
    for (const cell of this.#idle) if (cell.digest === digest) cell.close()
    this.#idle = this.#idle.filter((cell) => cell.digest !== digest)
  }

  close(): void {
    for (const cell of this.#idle.splice(0)) cell.close()
  }

  #maxIdle(): number {
    if (this.#idle.length <= maxIdleCellsWhenHeavy) return maxIdleCells
    return process.memoryUsage.rss() > heavyBytes ? maxIdleCellsWhenHeavy : maxIdleCells
  }

  #programOf(plugin: GuestPlugin): Promise<GuestProgram> {
    const kept = this.#programs.get(plugin.digest)
    if (kept) return kept
    const loading = this.#load(plugin).then((modules) => new GuestProgram(modules))
    this.#programs.set(plugin.digest, loading)
    loading.catch(() => {
      if (this.#programs.peek(plugin.digest) === loading) this.#programs.delete(plugin.digest)
    })
    return loading
  }
}
