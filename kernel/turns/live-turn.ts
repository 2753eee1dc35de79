import { RuntimeError } from '#sdk/errors.ts'
import type { ToolOutcome, TurnChunk } from '#sdk/services/agent.ts'

/** What a waiting caller sees of a turn while it runs. */
export type TurnEvent =
  | TurnChunk
  | { type: 'tool_call'; id: string; tool_name: string; input: unknown }
  | { type: 'tool_progress'; id: string; tool_name: string; message: string }
  | {
      type: 'approval_required'
      request_id: string
      tool: string
      tool_name: string
      input: Record<string, unknown>
      expires_at: string
    }
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

  readonly #firstParked = Promise.withResolvers<void>()

  /** It waits for a person, and no process is at work on it. */
  parked = false

  /** Resolves when the turn waits for a person for the first time. */
  get firstParked(): Promise<void> {
    return this.#firstParked.promise
  }

  park(): void {
    this.parked = true
    this.#firstParked.resolve()
  }

  unpark(): void {
    this.parked = false
  }

  /** Whoever asked is gone: the turn is cancelled, unless it waits for somebody else. */
  hangUp(): void {
    if (!this.parked) this.cancel('The caller hung up')
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
