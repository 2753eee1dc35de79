import type { Logger } from 'pino'
import type { BrowserContext, Dialog } from 'playwright'
import type { Lookup } from '#sdk/egress/checked-addresses.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { BrowserSettings } from '#sdk/services/browser.ts'
import { untilAborted, within } from './deadline.ts'
import { Downloads } from './downloads.ts'
import { BrowserLost, isTimeout } from './errors.ts'
import { type GuardFailure, type GuardProxy, openGuard } from './guard-proxy.ts'
import type { RunningBrowser } from './launch.ts'
import { Notices } from './notices.ts'
import { pageLine } from './page-text.ts'
import { Tabs } from './tabs.ts'

const viewport = { width: 1_280, height: 720 }
/** To open a session, and to close one, before the browser is held to be broken. */
const openMs = 20_000
const closeMs = 5_000
/** A profile is saved again after so long, at the end of an action. */
const saveMs = 30_000
const maxFailures = 100
/** Of a profile: what the kernel takes. */
const maxStateBytes = 4_194_304

type TimedFailure = GuardFailure & { at: number }

/** What is kept of a profile between sessions: JSON text. */
export interface ProfileStore {
  load(profile: string): Promise<string | null>
  save(profile: string, state: string): Promise<void>
}

export interface SessionOptions {
  name: string
  profile: string | null
  running: RunningBrowser
  settings: () => BrowserSettings
  profiles: ProfileStore
  log: Logger
  lookup?: Lookup | undefined
}

/** One isolated context: its own cookies, its own way out, its own tabs. What is asked of it is done in turn. */
export class Session {
  readonly name: string
  readonly profile: string | null
  readonly running: RunningBrowser
  readonly context: BrowserContext
  readonly tabs: Tabs
  readonly notices: Notices
  readonly downloads: Downloads
  readonly settings: () => BrowserSettings
  /** What dialogs are answered. */
  dialogAnswer: { accept: boolean; text: string | undefined } = { accept: false, text: undefined }
  lastUsedAt = timestamp()
  isClosed = false
  readonly #guard: GuardProxy
  readonly #failures: TimedFailure[]
  readonly #profiles: ProfileStore
  readonly #log: Logger
  #waiting = 0
  #lastTurn: Promise<unknown> = Promise.resolve()
  #savedAt = performance.now()

  static async open(options: SessionOptions): Promise<Session> {
    const { running, profile, settings, name } = options
    const notices = new Notices()
    const failures: TimedFailure[] = []
    const guard = await openGuard({
      allowedHosts: () => settings().allowed_hosts,
      lookup: options.lookup,
      onFailure: (failure) => {
        failures.push({ ...failure, at: performance.now() })
        if (failures.length > maxFailures) failures.shift()
        if (failure.isRefusal) notices.add('blocked', failure.reason)
      },
    })
    try {
      const state = profile === null ? null : await options.profiles.load(profile)
      return await within(openMs, async () => {
        const context = await running.browser.newContext({
          viewport,
          acceptDownloads: false,
          proxy: { server: guard.url, bypass: '<-loopback>' },
          ...(state !== null && { storageState: JSON.parse(state) }),
        })
        const tabs = new Tabs(context, notices)
        const { browserContextId } = await tabs.open()
        const downloads = await Downloads.open({
          ...{ browser: running.browser, browserContextId, folder: running.folder },
          ...{ workspace: settings().workspace, session: name, notices },
        })
        return new Session(options, { context, tabs, notices, downloads, guard, failures })
      })
    } catch (thrown) {
      await guard.close()
      throw thrown
    }
  }

  private constructor(
    { name, profile, running, settings, profiles, log }: SessionOptions,
    parts: Pick<Session, 'context' | 'tabs' | 'notices' | 'downloads'> & {
      guard: GuardProxy
      failures: TimedFailure[]
    },
  ) {
    this.name = name
    this.profile = profile
    this.running = running
    this.settings = settings
    this.context = parts.context
    this.tabs = parts.tabs
    this.notices = parts.notices
    this.downloads = parts.downloads
    this.#guard = parts.guard
    this.#failures = parts.failures
    this.#profiles = profiles
    this.#log = log
    this.context.on('dialog', (dialog) => void this.#answer(dialog))
  }

  get isBusy(): boolean {
    return this.#waiting > 0
  }

  /** Does one thing after the other; one that is given up no longer holds up the next. */
  async inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.#waiting += 1
    const before = this.#lastTurn
    const turn = (async () => {
      await untilAborted(signal, () => before)
      return await untilAborted(signal, work)
    })()
    const recovered = turn.catch(async (thrown) => {
      if (signal.aborted || isTimeout(thrown)) await this.#recover()
    })
    this.#lastTurn = Promise.allSettled([before, recovered])
    try {
      return await turn
    } finally {
      this.#waiting -= 1
      this.lastUsedAt = timestamp()
    }
  }

  /** Why a host could not be had since then, by the clock of `performance.now()`. */
  failureSince(at: number, host: string): string | undefined {
    const failure = this.#failures.findLast((one) => one.at >= at && one.host === host)
    return failure && (failure.isRefusal ? `blocked: ${failure.reason}` : failure.reason)
  }

  /** Keeps the profile, when its last state is old enough. What has been done stays done when that fails. */
  async saveProfile(olderThanMs = saveMs): Promise<void> {
    if (this.profile === null || performance.now() - this.#savedAt < olderThanMs) return
    this.#savedAt = performance.now()
    try {
      const state = JSON.stringify(await within(closeMs, () => this.context.storageState({ indexedDB: true })))
      const bytes = Buffer.byteLength(state)
      if (bytes > maxStateBytes) throw new RuntimeError('too_large', `${bytes} bytes are more than ${maxStateBytes}`)
      await this.#profiles.save(this.profile, state)
    } catch (err) {
      this.#log.warn({ err, profile: this.profile }, 'a browser profile was not kept')
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    try {
      if (this.running.browser.isConnected()) {
        await this.saveProfile(0)
        await this.downloads.close()
        await within(closeMs, () => this.context.close())
      }
    } finally {
      await this.#guard.close()
    }
  }

  /** After something was given up or took too long: the page answers, or replaced, or the session is of no more use. */
  async #recover(): Promise<void> {
    const tab = this.tabs.current
    if (this.isClosed || !tab || !this.running.browser.isConnected()) return
    if (tab.isUsable && ((await tab.answers()) || (await tab.interrupt()))) return
    if (!tab.isCrashed) this.notices.add('crash', `The page did not answer any more and was closed: ${tab.url}`)
    try {
      await within(openMs, () => this.tabs.replace(tab))
    } catch {
      await this.close().catch(() => {})
    }
  }

  async #answer(dialog: Dialog): Promise<void> {
    const { accept, text } = this.dialogAnswer
    // A page may ask whether it may be left, not say.
    const accepted = accept || dialog.type() === 'beforeunload'
    this.notices.add(
      'dialog',
      `${dialog.type()}, ${accepted ? 'accepted' : 'dismissed'}: ${pageLine(dialog.message())}`,
    )
    // It may be gone together with its page.
    await (accepted ? dialog.accept(text) : dialog.dismiss()).catch(() => {})
  }

  assertThere(): void {
    if (this.isClosed || !this.running.browser.isConnected()) throw new BrowserLost('The browser has ended')
  }
}
