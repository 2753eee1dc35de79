import { RuntimeError } from '#sdk/errors.ts'
import type { ToolOutcome, TurnChunk } from '#sdk/services/agent.ts'

/** What a waiting caller sees of a turn while it runs. */
export type TurnEvent =
  | TurnChunk
  | { type: 'tool_call'; id: string; tool_name: string; input: unknown }
  | {
      type: 'tool_result'
      id: string
      tool_name: string
      status: ToolOutcome['status']
      duration_ms: number
      output_preview: string
    }

export type TurnListener = (event: TurnEvent) => void | Promise<void>

/** A turn under way in this process: who listens, what has been said so far, and how to stop it. */
export class LiveTurn {
  readonly id: string
  readonly sessionId: string
  /** The answer so far, as listeners have it. */
  text = ''
  readonly #abort = new AbortController()
  readonly #listeners = new Set<TurnListener>()

  constructor(id: string, sessionId: string) {
    this.id = id
    this.sessionId = sessionId
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  listen(listener: TurnListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Settles when every listener has taken the event. One that fails is dropped and the turn goes on. */
  async announce(event: TurnEvent): Promise<void> {
    if (event.type === 'delta') this.text += event.delta
    if (event.type === 'content_replaced') this.text = event.content
    for (const listener of this.#listeners) {
      try {
        await listener(event)
      } catch {
        this.#listeners.delete(listener)
      }
    }
  }

  /** Set once the kernel has let go of the turn: it stays unfinished in the store. */
  suspended = false

  suspend(): void {
    this.suspended = true
    this.#abort.abort(new RuntimeError('unavailable', 'Keel is stopping'))
  }

  cancel(reason = 'The caller cancelled the turn'): void {
    this.#abort.abort(new RuntimeError('cancelled', reason))
  }
}
