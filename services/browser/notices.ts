import type { PageNotice } from '#sdk/services/browser.ts'
import { pageLine } from './page-text.ts'

/** Between two actions; a page can make as many as it likes. */
const maxNotices = 40

/** What pages did of themselves since somebody was told last. */
export class Notices {
  #kept: PageNotice[] = []
  #seen = new Set<string>()
  #dropped = 0

  /** The same is told once. */
  add(kind: PageNotice['kind'], text: string): void {
    const line = pageLine(text)
    const key = `${kind} ${line}`
    if (this.#seen.has(key)) return
    if (this.#kept.length >= maxNotices) {
      this.#dropped += 1
      return
    }
    this.#seen.add(key)
    this.#kept.push({ kind, text: line })
  }

  take(): PageNotice[] {
    const kept = this.#kept
    const last = kept.at(-1)
    if (last && this.#dropped > 0) last.text = pageLine(`${last.text} (and ${this.#dropped} more events)`)
    this.#kept = []
    this.#seen = new Set()
    this.#dropped = 0
    return kept
  }
}
