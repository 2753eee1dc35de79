import { setTimeout as delay } from 'node:timers/promises'
import type { CDPSession, Page } from 'playwright'
import { within } from './deadline.ts'
import { pageLine } from './page-text.ts'

/** A page that does not answer for so long does not answer. */
const answerMs = 2_000
/** A script that was ended may be begun again by the next timer of its page. */
const relapseMs = 100
const closeMs = 3_000
const titleMs = 500

/** One page of a session under a number that stays the same, also when a crash puts another page in its place. */
export class Tab {
  readonly number: number
  readonly page: Page
  readonly cdp: CDPSession
  /** Of the main frame too. */
  readonly targetId: string
  readonly browserContextId: string
  readonly #crash = new AbortController()
  /** What the difference of the next snapshot is told against. */
  lastSnapshot: string | undefined

  static async of(page: Page, number: number): Promise<Tab> {
    const cdp = await page.context().newCDPSession(page)
    const { targetInfo } = await cdp.send('Target.getTargetInfo')
    return new Tab(page, number, cdp, targetInfo.targetId, targetInfo.browserContextId ?? '')
  }

  private constructor(page: Page, number: number, cdp: CDPSession, targetId: string, browserContextId: string) {
    this.page = page
    this.number = number
    this.cdp = cdp
    this.targetId = targetId
    this.browserContextId = browserContextId
    page.on('crash', () => this.#crash.abort(new Error('Page crashed')))
  }

  /** Aborted when the page crashes, which not everything that waits for it is told. */
  get crashed(): AbortSignal {
    return this.#crash.signal
  }

  get isCrashed(): boolean {
    return this.#crash.signal.aborted
  }

  get isUsable(): boolean {
    return !this.isCrashed && !this.page.isClosed()
  }

  get url(): string {
    return pageLine(this.page.url(), 4_096)
  }

  /** As the browser knows it, whether the page answers or not. */
  async title(): Promise<string> {
    try {
      const { targetInfo } = await within(titleMs, () => this.cdp.send('Target.getTargetInfo'))
      // Where a page has no title the browser shows its address.
      return pageLine(targetInfo.title === targetInfo.url.replace(/^https?:\/\//, '') ? '' : targetInfo.title)
    } catch {
      return '' // It went away meanwhile.
    }
  }

  /** Whether its scripts let it answer. */
  async answers(): Promise<boolean> {
    try {
      await within(answerMs, () => this.cdp.send('Runtime.evaluate', { expression: '0', silent: true }))
      return true
    } catch {
      return false
    }
  }

  /** Ends what scripts of the page are doing; whether the page then answers, and goes on answering. */
  async interrupt(): Promise<boolean> {
    this.cdp.send('Runtime.terminateExecution').catch(() => {})
    if (!(await this.answers())) return false
    await delay(relapseMs)
    return await this.answers()
  }

  /** Whether it could be closed in time. */
  async close(): Promise<boolean> {
    try {
      await within(closeMs, () => this.page.close())
      return true
    } catch {
      return this.page.isClosed()
    }
  }
}
