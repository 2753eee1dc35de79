import type { BrowserContext, Page } from 'playwright'
import { RuntimeError } from '#sdk/errors.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import type { Notices } from './notices.ts'
import { pageLine } from './page-text.ts'
import { Tab } from './tab.ts'

/** Popups of one page that are closed between two actions, before the page itself is. */
const maxRefusedPopups = 100

/** The pages of a session: those that were asked for, and those that pages have opened themselves. */
export class Tabs {
  readonly #context: BrowserContext
  readonly #notices: Notices
  #tabs: Tab[] = []
  #active: Tab | undefined
  #lastUrl = ''
  #nextNumber = 0
  /** The page that is being opened on request; any other that appears is a popup. */
  #opening = 0
  /** Popups that are about to be tabs. */
  #arriving = 0
  #refusedPopups = 0
  #change = new AbortController()

  constructor(context: BrowserContext, notices: Notices) {
    this.#context = context
    this.#notices = notices
    context.on('page', (page) => {
      if (this.#opening === 0) void this.#takePopup(page).catch(() => {})
    })
  }

  list(): Tab[] {
    this.#forgetClosed()
    return [...this.#tabs]
  }

  /** The one that is acted on, if there is one. */
  get current(): Tab | undefined {
    this.#forgetClosed()
    return this.#active
  }

  /** Of the active one, also after its end. */
  get lastUrl(): string {
    return this.#active?.url ?? this.#lastUrl
  }

  /** Aborted as soon as another tab is the active one. */
  get changed(): AbortSignal {
    return this.#change.signal
  }

  /** The one that is acted on; an empty one in the place of what has crashed or is gone. */
  async active(): Promise<Tab> {
    this.#refusedPopups = 0
    const tab = this.current
    if (tab && !tab.isCrashed) return tab
    return tab ? this.replace(tab) : this.open()
  }

  async open(): Promise<Tab> {
    if (this.list().length >= browserBounds.tabs)
      throw new RuntimeError('conflict', `A session has at most ${browserBounds.tabs} tabs; close one first`)
    return this.#activate(await this.#add(this.#nextNumber++))
  }

  load(number: number): Tab {
    const tab = this.list().find((one) => one.number === number)
    if (!tab) throw new RuntimeError('not_found', `There is no tab ${number}`)
    return tab
  }

  switchTo(tab: Tab): Tab {
    return this.#activate(tab)
  }

  async close(tab: Tab): Promise<void> {
    if (!(await tab.close())) throw new RuntimeError('unavailable', `Tab ${tab.number} does not close`)
    this.#forgetClosed()
  }

  /** An empty page under the number of one that is of no use any more. */
  async replace(old: Tab): Promise<Tab> {
    const tab = await this.#add(old.number)
    this.#tabs = this.#tabs.filter((one) => one !== old)
    if (this.#active === old) this.#activate(tab)
    await old.close()
    return tab
  }

  async #add(number: number): Promise<Tab> {
    this.#opening += 1
    try {
      return await this.#adopt(await this.#context.newPage(), number)
    } finally {
      this.#opening -= 1
    }
  }

  async #adopt(page: Page, number: number): Promise<Tab> {
    this.#listen(page)
    const tab = await Tab.of(page, number)
    this.#tabs.push(tab)
    this.#tabs.sort((one, other) => one.number - other.number)
    return tab
  }

  async #takePopup(page: Page): Promise<void> {
    if (this.list().length + this.#arriving < browserBounds.tabs) {
      this.#arriving += 1
      const tab = await this.#adopt(page, this.#nextNumber++).finally(() => {
        this.#arriving -= 1
      })
      this.#notices.add('popup', `The page opened tab ${tab.number}: ${tab.url}`)
      return
    }
    const opener = await page.opener().catch(() => null)
    this.#refusedPopups += 1
    this.#notices.add(
      'popup',
      `The page opened more windows than the ${browserBounds.tabs} that it may; they were closed`,
    )
    await page.close()
    if (this.#refusedPopups <= maxRefusedPopups || !opener) return
    this.#notices.add('popup', `${pageLine(opener.url())} was closed, as it went on opening windows`)
    await opener.close()
  }

  #listen(page: Page): void {
    const notices = this.#notices
    page.on('crash', () => notices.add('crash', `The page crashed: ${pageLine(page.url())}`))
    page.on('pageerror', (error) => notices.add('console_error', pageLine(error.message)))
    page.on('console', (message) => {
      if (message.type() === 'error') notices.add('console_error', message.text())
    })
    page.on('framenavigated', (frame) => {
      if (frame !== page.mainFrame() || isWebAddress(frame.url())) return
      // Chromium itself lets no page lead there; should one get there all the same, it does not stay.
      notices.add('blocked', `The page led to ${frame.url()}, which is no web page`)
      page.close().catch(() => {})
    })
  }

  #activate(tab: Tab): Tab {
    if (this.#active === tab) return tab
    this.#active = tab
    this.#change.abort()
    this.#change = new AbortController()
    return tab
  }

  #forgetClosed(): void {
    this.#tabs = this.#tabs.filter(({ page }) => !page.isClosed())
    if (this.#active && !this.#tabs.includes(this.#active)) {
      this.#lastUrl = this.#active.url
      const last = this.#tabs.at(-1)
      this.#active = undefined
      if (last) this.#activate(last)
    }
  }
}

/** Also an empty tab, and the browser's own page for what could not be loaded. */
function isWebAddress(url: string): boolean {
  return /^(?:https?:|about:blank|about:srcdoc|chrome-error:)/.test(url) || url === '' || url === ':'
}
