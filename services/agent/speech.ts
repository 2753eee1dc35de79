import { beginsMark, withoutMarks } from '#sdk/boundaries.ts'
import type { TurnChunk, TurnEnd } from '#sdk/services/agent.ts'
import { heldBack, isUnsafe, scanWindow } from './output-scan.ts'
import { beginsCall } from './text-protocol.ts'

const betweenAnswers = '\n\n'

/**
 * The text of a turn as it leaves: scanned before it is shown, tool protocol and marks kept out, and voided where it
 * must be said anew. What a listener has in front of it at the end is the content of the turn, whatever way it ended.
 */
export class Speech {
  readonly #emit: (chunk: TurnChunk) => Promise<void>
  readonly #hasTools: boolean
  /** What earlier answers of the turn have said. */
  #before: string
  /** What the listener has in front of it. */
  #heard = ''
  /** Of the answer under way: the end of what was shown, and what waits. */
  #recent = ''
  #waiting = ''
  /** The rest of the answer under way is a call written in the text. */
  #calling = false
  #model: string | null = null

  constructor(emit: (chunk: TurnChunk) => Promise<void>, { before, hasTools }: { before: string; hasTools: boolean }) {
    this.#emit = emit
    this.#before = before
    this.#hasTools = hasTools
  }

  /** What the listener has, answers of finished steps and the one under way. */
  get heard(): string {
    return this.#heard
  }

  /** Says what finished steps had said, to listeners who have nothing yet. */
  async begin(): Promise<void> {
    await this.#become(this.#before)
  }

  setModel(model: string): void {
    this.#model = model
  }

  /** Adds to the answer under way. False: it is unsafe and nothing more may be said. */
  async add(delta: string): Promise<boolean> {
    if (this.#calling) return true
    this.#waiting = withoutMarks(this.#waiting + delta)
    if (this.#recent === '') this.#waiting = this.#waiting.trimStart()
    if (isUnsafe((this.#recent + this.#waiting).slice(-(scanWindow + delta.length)))) return false
    // An answer ends without white space, so what is shown does as well.
    await this.#show(this.#waiting.slice(0, this.#waiting.length - this.#mustWait()).trimEnd().length)
    return true
  }

  /** The answer under way is over and reads `text`, its protocol and marks taken out. */
  async finish(text: string): Promise<void> {
    this.#before = joined(this.#before, text)
    await this.#become(this.#before)
    this.#startAnew()
  }

  /** The answer under way will be said anew. */
  async rewind(): Promise<void> {
    await this.#become(this.#before)
    this.#startAnew()
  }

  /** The turn is over: the listener is left with its content. */
  async end(end: TurnEnd): Promise<void> {
    if (end.status === 'blocked') await this.#emit({ type: 'blocked', reason: end.reason ?? '' })
    await this.#become(end.content)
  }

  async #become(content: string): Promise<void> {
    if (content === this.#heard) return
    if (content.startsWith(this.#heard)) await this.#say(content.slice(this.#heard.length))
    else {
      this.#heard = content
      await this.#emit({ type: 'content_replaced', content })
    }
  }

  async #show(count: number): Promise<void> {
    if (count <= 0) return
    const shown = this.#waiting.slice(0, count)
    const separator = this.#recent === '' && this.#before !== '' ? betweenAnswers : ''
    this.#waiting = this.#waiting.slice(count)
    this.#recent = (this.#recent + shown).slice(-scanWindow)
    await this.#say(separator + shown)
  }

  async #say(delta: string): Promise<void> {
    this.#heard += delta
    await this.#emit({ type: 'delta', delta, model: this.#model })
  }

  #startAnew(): void {
    this.#recent = ''
    this.#waiting = ''
    this.#calling = false
  }

  /** How much of the end of what waits must wait on. */
  #mustWait(): number {
    const text = this.#waiting
    // Line ends wait with what follows them: what begins a line does so with one, or begins the answer.
    const call = this.#hasTools ? beginsCall(text, this.#recent === '') : undefined
    this.#calling = call?.certain ?? false
    return Math.max(heldBack(text), beginsMark(text), call ? text.length - call.at : 0)
  }
}

/** Two answers of one turn, one after the other. */
export function joined(before: string, text: string): string {
  return before === '' || text === '' ? before + text : before + betweenAnswers + text
}
