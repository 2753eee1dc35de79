import type { TurnChunk, TurnEnd } from '#sdk/services/agent.ts'
import { heldBack, isUnsafe, scanWindow } from './output-scan.ts'
import { mayBecomeCall } from './text-protocol.ts'

const blockedAnswer = '[Response blocked by output safety filter]'
const blockedReason = 'output safety filter triggered'
const betweenAnswers = '\n\n'

/** The text of a turn as it leaves: scanned before it is shown, tool protocol kept out, and voided where it must be said anew. */
export class Speech {
  readonly #emit: (chunk: TurnChunk) => Promise<void>
  readonly #hasTools: boolean
  /** What earlier answers of the turn have said. */
  #before: string
  /** The answer under way: all of it, and how much has been shown. */
  #current = ''
  #shown = 0
  #model: string | null = null

  constructor(emit: (chunk: TurnChunk) => Promise<void>, { before, hasTools }: { before: string; hasTools: boolean }) {
    this.#emit = emit
    this.#before = before
    this.#hasTools = hasTools
  }

  /** Says what finished steps had said, to listeners who have nothing yet. */
  async begin(): Promise<void> {
    if (this.#before !== '') await this.#emit({ type: 'delta', delta: this.#before, model: null })
  }

  setModel(model: string): void {
    this.#model = model
  }

  /** Adds to the answer under way. False: it is unsafe and nothing more may be said. */
  async add(delta: string): Promise<boolean> {
    this.#current += delta
    if (isUnsafe(this.#current.slice(-(scanWindow + delta.length)))) return false
    await this.#show(this.#current.length - this.#waiting())
    return true
  }

  /** The answer under way is over and reads `text`, its protocol taken out. False: it is unsafe. */
  async finish(text: string): Promise<boolean> {
    if (isUnsafe(text)) return false
    const shown = this.#current.slice(0, this.#shown)
    if (text.startsWith(shown)) {
      this.#current = text
      await this.#show(text.length)
    } else {
      await this.#emit({ type: 'content_replaced', content: joined(this.#before, text) })
    }
    this.#before = joined(this.#before, text)
    this.#current = ''
    this.#shown = 0
    return true
  }

  /** The answer under way will be said anew. */
  async rewind(): Promise<void> {
    if (this.#shown > 0) await this.#emit({ type: 'content_replaced', content: this.#before })
    this.#current = ''
    this.#shown = 0
  }

  /** Nothing of the turn stands but the word that it was blocked. */
  async block(): Promise<TurnEnd> {
    await this.#emit({ type: 'blocked', reason: blockedReason })
    await this.#emit({ type: 'content_replaced', content: blockedAnswer })
    return { status: 'blocked', content: blockedAnswer, reason: blockedReason, react_turns: 0 }
  }

  async #show(until: number): Promise<void> {
    if (until <= this.#shown) return
    const separator = this.#shown === 0 && this.#before !== '' ? betweenAnswers : ''
    const delta = separator + this.#current.slice(this.#shown, until)
    this.#shown = until
    await this.#emit({ type: 'delta', delta, model: this.#model })
  }

  #waiting(): number {
    const scanning = heldBack(this.#current)
    if (!this.#hasTools) return scanning
    const lineStart = this.#current.search(/(?:^|\n)[^\S\n]*\{(?=[^\n]*$|\s*"tool_call")/)
    if (lineStart < 0 || !mayBecomeCall(this.#current.slice(lineStart))) return scanning
    return Math.max(scanning, this.#current.length - lineStart)
  }
}

/** Two answers of one turn, one after the other. */
export function joined(before: string, text: string): string {
  return before === '' || text === '' ? before + text : before + betweenAnswers + text
}
