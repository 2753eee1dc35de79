import type { Logger } from 'pino'
import type { Lookup } from '#sdk/egress/checked-addresses.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import type { ActionRequest, ActionResult, BrowserSettings, BrowserState } from '#sdk/services/browser.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import { isRepeatable } from './actions/actions.ts'
import { untilAborted } from './deadline.ts'
import { BrowserLost, isGone } from './errors.ts'
import { findExecutable } from './find-executable.ts'
import { type GuardProxy, openGuard } from './guard-proxy.ts'
import { launchBrowser, type RunningBrowser } from './launch.ts'
import { watchMemory } from './memory-watch.ts'
import { actOnce } from './perform.ts'
import { type ProfileStore, Session } from './session.ts'

/** Idle sessions are looked for this many times in the time after which they are closed. */
const idleLooks = 4
/** After an action's deadline, for what gives up by itself to say why; what does not is ended then. */
const graceMs = 1_000

export interface SessionsOptions {
  settings: () => BrowserSettings
  profiles: ProfileStore
  log: Logger
  lookup?: Lookup | undefined
  /** A browser, or a session of it, has begun or ended. */
  onChange: () => void
}

/** The browser, while there is one, and what is open in it. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #open = new Map<string, Promise<Session>>()
  /** Where sessions were that went down with their browser. */
  readonly #lost = new Map<string, { profile: string | null; url: string }>()
  #browser: Promise<RunningBrowser> | undefined
  #running: RunningBrowser | undefined
  #guard: GuardProxy | undefined
  #usedAt = performance.now()
  #idleTimer: NodeJS.Timeout | undefined
  #stopWatching = () => {}

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** Whether it ran already. */
  async start(): Promise<{ already_running: boolean }> {
    const already_running = this.#running !== undefined
    await this.#ensureBrowser()
    return { already_running }
  }

  async stop(): Promise<void> {
    clearInterval(this.#idleTimer)
    this.#lost.clear()
    await Promise.all([...this.#open.keys()].map((name) => this.close(name)))
    await this.#browser?.then((running) => running.close()).catch(() => {})
    await this.#guard?.close()
    this.#guard = undefined
  }

  async close(name: string): Promise<void> {
    const opening = this.#open.get(name)
    this.#lost.delete(name)
    if (!opening) return
    this.#open.delete(name)
    try {
      const session = await opening.catch(() => undefined)
      await session?.close()
    } catch (err) {
      this.#options.log.warn({ err, session: name }, 'a browser session did not close well')
    }
    this.#options.onChange()
  }

  async find(name: string): Promise<Session> {
    const session = await this.#open.get(name)
    if (!session) throw new RuntimeError('not_found', `There is no browser session ${name}`)
    return session
  }

  /** Performs an action; one that a dying browser has cut short is done again in a new one, where that does no harm. */
  async act(request: ActionRequest, signal: AbortSignal): Promise<ActionResult> {
    const endsAt = performance.now() + request.timeout_ms
    const deadline = AbortSignal.timeout(request.timeout_ms + graceMs)
    const bounded = AbortSignal.any([signal, deadline])
    this.#usedAt = performance.now()
    try {
      for (let attempt = 1; ; attempt++) {
        const session = await untilAborted(bounded, () => this.#enter(request))
        try {
          return await actOnce(session, request, { endsAt, signal: bounded })
        } catch (thrown) {
          if (!(thrown instanceof BrowserLost) || bounded.aborted) throw thrown
          await this.#forget(session)
          if (attempt > 1 || !isRepeatable(request.action)) return lostResult(request, session)
        }
      }
    } catch (cause) {
      if (isErrorOf(cause, 'conflict')) return { success: false, data: null, error: cause.message, notices: [] }
      if (signal.aborted) throw new RuntimeError('cancelled', undefined, undefined, { cause })
      if (!deadline.aborted) throw cause
      const message = `${request.action} did not finish within ${request.timeout_ms / 1_000} s`
      throw new RuntimeError('timeout', message, undefined, { cause })
    }
  }

  async state(): Promise<BrowserState> {
    const sessions = await this.#settledSessions()
    const running = this.#running?.browser.isConnected() ? this.#running : undefined
    const last = sessions.toSorted((one, other) => other.lastUsedAt.localeCompare(one.lastUsedAt))[0]
    return {
      running: running !== undefined,
      pid: running?.pid ?? null,
      url: last?.tabs.current?.url ?? null,
      title: (await last?.tabs.current?.title()) ?? null,
      browser_version: running?.version ?? null,
      executable: running?.executable ?? null,
      started_at: running?.startedAt ?? null,
      sessions: sessions.map(({ name, profile, tabs, lastUsedAt }) => ({
        session: name,
        profile,
        tabs: tabs.list().length,
        url: tabs.current?.url ?? null,
        last_used_at: lastUsedAt,
      })),
    }
  }

  /** The session that is asked for, opened when it is not; `conflict` when it is open with another profile. */
  async #enter({ session: name, profile }: ActionRequest): Promise<Session> {
    const known = await this.#open.get(name)?.catch(() => undefined)
    if (known && !known.isClosed && known.running.browser.isConnected()) {
      if (known.profile === profile) return known
      const open = known.profile === null ? 'no profile' : `the profile '${known.profile}'`
      throw new RuntimeError('conflict', `The session '${name}' is open with ${open}; close it first`)
    }
    if (known) await this.#forget(known)
    // Somebody else may have opened it meanwhile.
    return this.#open.get(name) ?? this.#openSession(name, profile)
  }

  #openSession(name: string, profile: string | null): Promise<Session> {
    const opening = this.#makeRoom().then(async () => {
      const { settings, profiles, log, lookup } = this.#options
      const running = await this.#ensureBrowser()
      const session = await Session.open({ name, profile, running, settings, profiles, log, lookup }).catch((cause) => {
        throw isGone(cause) ? new RuntimeError('unavailable', 'The browser has ended', undefined, { cause }) : cause
      })
      await this.#resume(session)
      return session
    })
    this.#open.set(name, opening)
    opening.then(
      () => this.#options.onChange(),
      () => {
        if (this.#open.get(name) === opening) this.#open.delete(name)
      },
    )
    return opening
  }

  /** Where the session was before its browser died, as far as an address tells. */
  async #resume(session: Session): Promise<void> {
    const lost = this.#lost.get(session.name)
    this.#lost.delete(session.name)
    if (!lost) return
    session.notices.add(
      'crash',
      `The browser ended and was started anew${lost.url ? `; loading ${lost.url} again` : ''}`,
    )
    if (!lost.url) return
    const tab = await session.tabs.active()
    // What can not be loaded any more shows as that.
    await tab.page.goto(lost.url, { timeout: browserBounds.actionMs.default / 2 }).catch(() => {})
  }

  async #makeRoom(): Promise<void> {
    if (this.#open.size < browserBounds.sessions) return
    const idle = (await this.#settledSessions()).filter((session) => !session.isBusy)
    const [oldest] = idle.toSorted((one, other) => one.lastUsedAt.localeCompare(other.lastUsedAt))
    if (!oldest)
      throw new RuntimeError('unavailable', `All ${browserBounds.sessions} browser sessions are busy; try again later`)
    await this.close(oldest.name)
  }

  async #settledSessions(): Promise<Session[]> {
    const settled = await Promise.allSettled(this.#open.values())
    return settled.flatMap((one) => (one.status === 'fulfilled' && !one.value.isClosed ? [one.value] : []))
  }

  async #forget(session: Session): Promise<void> {
    if ((await this.#open.get(session.name)?.catch(() => undefined)) !== session) return
    this.#open.delete(session.name)
    const url = session.tabs.lastUrl
    this.#lost.set(session.name, { profile: session.profile, url: /^https?:/.test(url) ? url : '' })
    await session.close().catch(() => {})
  }

  async #ensureBrowser(): Promise<RunningBrowser> {
    const last = this.#running
    if (last && !last.browser.isConnected()) {
      await last.close()
      await this.#ended(last)
    }
    this.#browser ??= this.#launch().catch((thrown) => {
      this.#browser = undefined
      throw thrown
    })
    return this.#browser
  }

  async #launch(): Promise<RunningBrowser> {
    const { log, settings } = this.#options
    const { executable_path, headless, cdp_port: cdpPort, idle_ms } = settings()
    const executable = await findExecutable(executable_path)
    this.#guard ??= await openGuard({
      allowedHosts: () => [],
      // What the browser would tell its maker, and fetch from there.
      lookup: async () => [],
      onFailure: ({ host }) => log.debug({ host }, 'the browser itself has no way out'),
    })
    const running = await launchBrowser({ executable, headless, proxy: this.#guard.url, cdpPort })
    this.#running = running
    log.info({ pid: running.pid, version: running.version }, 'the browser has started')
    void running.ended.then(() => this.#ended(running))
    this.#stopWatching = await watchMemory(running, log)
    clearInterval(this.#idleTimer)
    this.#idleTimer = setInterval(() => void this.#closeIdle(), idle_ms / idleLooks)
    this.#idleTimer.unref()
    this.#options.onChange()
    return running
  }

  async #ended(running: RunningBrowser): Promise<void> {
    if (this.#running !== running) return
    this.#options.log.info({ pid: running.pid }, 'the browser has ended')
    clearInterval(this.#idleTimer)
    this.#stopWatching()
    this.#running = undefined
    this.#browser = undefined
    for (const session of await this.#settledSessions()) if (session.running === running) await this.#forget(session)
    this.#options.onChange()
  }

  async #closeIdle(): Promise<void> {
    const { idle_ms } = this.#options.settings()
    const isIdle = (session: Session) => !session.isBusy && Date.parse(session.lastUsedAt) < Date.now() - idle_ms
    for (const session of await this.#settledSessions()) if (isIdle(session)) await this.close(session.name)
    if (this.#open.size === 0 && performance.now() - this.#usedAt > idle_ms) await this.stop()
  }
}

function lostResult({ action }: ActionRequest, { notices }: Session): ActionResult {
  const error = `The browser ended while ${action} was under way; whether it took effect is not known`
  return { success: false, data: null, error, notices: notices.take() }
}
