import type { Logger } from 'pino'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { SealedStore } from '#kernel/secrets/sealed-store.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import type { BrowserAction } from '#sdk/contracts/browser.ts'
import type { ServiceState } from '#sdk/contracts/services.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import type { CallOptions, Client, ServiceHandlers } from '#sdk/service.ts'
import type { ActionResult, BrowserState, browserService } from '#sdk/services/browser.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import type { kernelForBrowser } from '#sdk/services/kernel.ts'
import { browserToolOf } from './browser-tool.ts'
import { BrowserProfiles } from './profiles.ts'
import { browserSettingsOf } from './settings.ts'

/** The API's, where it names none. */
export const defaultSession = 'default'
const profileSessions = 'profile:'

const notRunning: BrowserState = {
  running: false,
  pid: null,
  url: null,
  title: null,
  browser_version: null,
  executable: null,
  started_at: null,
  sessions: [],
}

type WatchMethod = (typeof browserService)['methods']['watch']

export interface BrowserDeps {
  config: LiveConfig
  log: Logger
  secrets: SealedStore
  /** There only once the services are. Whoever calls it starts its process. */
  service: () => Client<typeof browserService>
}

/** The kernel's side of the browser: who may have which session, and what is kept of it; the pages are the service's. */
export class Browser {
  readonly #deps: BrowserDeps
  readonly #profiles: BrowserProfiles
  readonly #tool: Tool
  readonly terms: ServiceHandlers<typeof kernelForBrowser>
  /** As the service told it last. */
  #state = notRunning
  #hasProcess = false
  /** Somebody has started it and nobody has stopped it: one that ended of itself comes back with the next action. */
  #isWanted = false

  constructor(deps: BrowserDeps) {
    this.#deps = deps
    this.#profiles = new BrowserProfiles(deps.secrets)
    this.#tool = browserToolOf({ workspace: () => deps.config.current().agent.workspace, act: this.act })
    this.terms = {
      start: () => browserSettingsOf(deps.config.current()),
      loadProfile: ({ profile }) => ({ state: this.#profiles.load(profile) }),
      saveProfile: ({ profile, state }) => {
        this.#profiles.save(profile, state)
        return null
      },
      reportState: (state) => {
        this.#state = state
        return null
      },
    }
  }

  /** Offered to the model only where the configuration says so. */
  get tools(): readonly Tool[] {
    return this.#deps.config.current().browser.enabled ? [this.#tool] : []
  }

  get isStarted(): boolean {
    return this.#isWanted || this.#state.running
  }

  get profileNames(): string[] {
    return this.#profiles.names()
  }

  /** The service's process has come or gone. */
  processChanged(state: ServiceState): void {
    this.#hasProcess = state === 'ready'
    if (!this.#hasProcess) this.#state = notRunning
  }

  /** The settings have changed. A process that is not there now asks for them when it starts. */
  configure(): void {
    if (!this.#hasProcess) return
    const { service, config, log } = this.#deps
    service()
      .configure(browserSettingsOf(config.current()))
      .catch((err: unknown) => log.warn({ err }, 'the browser takes its settings later'))
  }

  /** Asks the service, and starts none; from a service that does not answer, what it told last. */
  async status(): Promise<BrowserState> {
    if (!this.#hasProcess) return notRunning
    try {
      return await this.#deps.service().status({})
    } catch (thrown) {
      if (isErrorOf(thrown, 'unavailable', 'timeout')) return this.#state
      throw thrown
    }
  }

  async start(signal: AbortSignal): Promise<{ already_running: boolean }> {
    const started = await this.#deps.service().start({}, { signal })
    this.#isWanted = true
    return started
  }

  async stop(): Promise<void> {
    this.#isWanted = false
    if (this.#hasProcess) await this.#deps.service().stop({})
  }

  /**
   * Starts the browser where it does not run. What goes wrong with the page or with the browser is a failed result;
   * `unavailable` where there is no service to ask.
   */
  readonly act = async (
    { action, session, profile, timeout_ms, ...fields }: BrowserAction,
    signal: AbortSignal,
  ): Promise<ActionResult> => {
    const request = {
      ...this.#placeOf(session, profile),
      action,
      fields,
      timeout_ms: timeout_ms ?? browserBounds.actionMs.default,
    }
    return this.#deps.service().act(request, { signal })
  }

  async closeSession(session: string): Promise<void> {
    if (this.#hasProcess) await this.#deps.service().closeSession({ session })
  }

  async deleteProfile(profile: string): Promise<void> {
    // An open session would save it again at its end.
    await this.closeSession(profileSessions + profile)
    this.#profiles.delete(profile)
  }

  /** Frames of a session until the signal goes off. */
  async watch(
    what: { session: string; fps: number; width: number; quality: number },
    options: CallOptions<WatchMethod>,
  ): Promise<void> {
    await this.#deps.service().watch(what, options)
  }

  /** Profiles are saved while there is somebody to save them. */
  async close(graceMs: number): Promise<void> {
    if (!this.#hasProcess) return
    const { service, log } = this.#deps
    await service()
      .stop({}, { timeoutMs: graceMs })
      .catch((err: unknown) => log.warn({ err }, 'the browser did not end in time, and is ended with its service'))
  }

  /** A profile has a session of its own: two would overwrite what the other keeps. */
  #placeOf(session: string | undefined, profile: string | undefined) {
    if (profile === undefined) {
      if (session?.startsWith(profileSessions))
        throw new RuntimeError('unprocessable', `session: belongs to a profile; give the profile's name instead`)
      return { session: session ?? defaultSession, profile: null }
    }
    if (session !== undefined)
      throw new RuntimeError('unprocessable', 'session: can not be given together with a profile')
    this.#profiles.requireRoom(profile)
    return { session: profileSessions + profile, profile }
  }
}
