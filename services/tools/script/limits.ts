import type { ScriptOutcome, ToolSettings } from '#sdk/services/tools.ts'
import { measureTree } from './process-tree.ts'

const pollMs = 50
/** Processes that one run may have at once. */
const maxProcesses = 64

type Reached = Extract<ScriptOutcome['status'], 'timeout' | 'output_limit' | 'memory_limit' | 'process_limit'>

/** Ends a run at the first limit that it reaches, and remembers which. */
export class Limits {
  reached: Reached | undefined
  readonly #memoryBytes: number
  readonly #timeoutMs: number
  #stop: () => void = () => {}
  #timer: NodeJS.Timeout | undefined
  #poll: NodeJS.Timeout | undefined
  #closed = false

  constructor({ memory_bytes }: Pick<ToolSettings['scripts'], 'memory_bytes'>, timeoutMs: number) {
    this.#memoryBytes = memory_bytes
    this.#timeoutMs = timeoutMs
  }

  watch(pid: number | undefined, stop: () => void): void {
    this.#stop = stop
    this.#timer = setTimeout(() => this.reach('timeout'), this.#timeoutMs)
    if (pid !== undefined) this.#look(pid)
  }

  reach(limit: Reached): void {
    if (this.reached || this.#closed) return
    this.reached = limit
    this.#stop()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#poll)
  }

  /** From outside, since a limit on address space keeps programs from starting that hold little and reserve much. */
  #look(pid: number): void {
    this.#poll = setTimeout(async () => {
      const { processes, rssBytes } = await measureTree(pid)
      if (processes > maxProcesses) this.reach('process_limit')
      if (rssBytes > this.#memoryBytes) this.reach('memory_limit')
      if (!this.#closed) this.#look(pid)
    }, pollMs)
  }
}
