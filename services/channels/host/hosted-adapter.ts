import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { OutboundMessage, SendOutcome } from '#sdk/channels/message.ts'
import { platforms } from '#sdk/channels/platforms.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import type { CallContext, Chunk, Client, Params, Result } from '#sdk/service.ts'
import type { AdapterState, channelsService } from '#sdk/services/channels.ts'
import type { kernelForChannels } from '#sdk/services/kernel.ts'
import { type AdapterBrief, type adapterService, lastWordMs, type ReceptionState } from '../adapter-contract.ts'
import { type ErrorText, errorTextFor } from '../error-text.ts'
import type { ChannelTimes } from '../times.ts'
import { AdapterThread } from './adapter-thread.ts'
import { SendBreaker, type Verdict } from './send-breaker.ts'

type Asked = (typeof adapterService)['methods']
type Methods = (typeof channelsService)['methods']
type Context<M extends keyof Methods> = CallContext<Methods[M]>

export interface HostedOptions {
  brief: AdapterBrief
  kernel: Client<typeof kernelForChannels>
  log: Logger
  times: ChannelTimes
  /** Its predecessor has ended: two would take each other's updates. */
  after: Promise<unknown>
}

/** One adapter as the service sees it: always there, whatever its thread is going through. */
export class HostedAdapter {
  readonly brief: AdapterBrief
  readonly #options: HostedOptions
  readonly #errorText: ErrorText
  readonly #thread: AdapterThread
  readonly #breaker: SendBreaker
  #state: AdapterState

  constructor(options: HostedOptions) {
    const { brief, kernel, log, times, after } = options
    const { name } = brief
    this.brief = brief
    this.#options = options
    this.#errorText = errorTextFor(brief.settings)
    this.#breaker = new SendBreaker(times.breaker)
    const mode = platforms[name].modes[0] ?? 'polling'
    this.#state = { name, state: 'starting', mode, last_error: null, last_activity: null, failures: 0 }
    this.#thread = new AdapterThread({
      brief,
      times,
      after,
      handlers: {
        cursor: (_, { signal }) => kernel.cursor({ channel: name }, { signal }),
        accept: (batch, { signal }) => kernel.accept({ channel: name, ...batch }, { signal }),
        readFile: (piece, { signal }) => kernel.readAttachment(piece, { signal }),
        report: (told) => {
          this.#hear(told)
          return null
        },
      },
      onReady: (mode) => this.#change({ mode }),
      onActivity: (last_activity) => {
        // What changes all the time is told when asked for.
        this.#state = { ...this.#state, last_activity }
      },
      onCrash: (reason, restart_ms) => {
        const last_error = this.#errorText(reason)
        log.warn({ channel: name, reason: last_error, restart_ms }, 'an adapter ended and is started again')
        this.#change({ state: 'backing_off', last_error, failures: this.#thread.crashes })
      },
      faults: {
        onFault: (message) => log.error({ channel: name }, message),
        onHandlerFailure: (method, cause) =>
          log.error({ channel: name, reason: this.#errorText(cause) }, `${method} failed`),
      },
    })
    this.#report()
  }

  get state(): AdapterState {
    return this.#state
  }

  stop(): Promise<void> {
    return this.#thread.stop()
  }

  async send(message: OutboundMessage, { signal, emit }: Context<'send'>): Promise<SendOutcome> {
    const entry = this.#breaker.enter()
    const { title } = platforms[this.brief.name]
    if ('waitMs' in entry) return retry(`${title} takes no messages for now`, entry.waitMs)
    const timeoutMs = this.#options.times.sendMs + lastWordMs
    let verdict: Verdict = 'unknown'
    let tried = false
    let accepted = 0
    const onChunk = async (sent: Chunk<Asked['send']>) => {
      accepted += 1
      await emit(sent)
    }
    try {
      const adapter = await this.#thread.client(signal)
      tried = true
      const outcome = await adapter.send(message, { signal, timeoutMs, onChunk })
      // A refusal of the message is an answer too.
      verdict = outcome.status === 'retry' && accepted === 0 ? 'failed' : 'worked'
      return outcome
    } catch (thrown) {
      if (signal.aborted) throw thrown
      if (tried) verdict = accepted === 0 ? 'failed' : 'worked'
      return retry(this.#errorText(thrown), waitAskedMs(thrown))
    } finally {
      entry.leave(verdict)
    }
  }

  async parse(asked: Params<Asked['parse']>, { signal }: Context<'parse'>): Promise<Result<Asked['parse']>> {
    const adapter = await this.#thread.client(signal)
    return adapter.parse(asked, { signal, timeoutMs: this.#options.times.parseMs })
  }

  async draft(asked: Params<Asked['draft']>, { signal }: Context<'draft'>): Promise<Result<Asked['draft']>> {
    const adapter = await this.#thread.client(signal)
    return adapter.draft(asked, { signal, timeoutMs: this.#options.times.draftMs })
  }

  /** Nobody waits for it: what fails is of interest to nobody but a reader of the log. */
  async typing(asked: Params<Asked['typing']>, { signal }: Context<'typing'>): Promise<void> {
    await this.#inPassing('typing', async () => {
      const adapter = await this.#thread.client(signal)
      return adapter.typing(asked, { signal, timeoutMs: this.#options.times.typingMs })
    })
  }

  async answerPress(asked: Params<Asked['answerPress']>, { signal }: Context<'answerPress'>): Promise<void> {
    await this.#inPassing('answerPress', async () => {
      const adapter = await this.#thread.client(signal)
      return adapter.answerPress(asked, { signal, timeoutMs: this.#options.times.typingMs })
    })
  }

  async fetchMedia(
    asked: Params<Asked['fetchMedia']>,
    { signal, emit }: Context<'fetchMedia'>,
  ): Promise<Result<Asked['fetchMedia']>> {
    const adapter = await this.#thread.client(signal)
    return adapter.fetchMedia(asked, { signal, timeoutMs: this.#options.times.mediaMs, onChunk: emit })
  }

  async check({ signal }: Context<'check'>): Promise<Result<Methods['check']>> {
    try {
      const adapter = await this.#thread.client(signal)
      const { identity } = await adapter.check({}, { signal, timeoutMs: this.#options.times.checkMs })
      return { ok: true, identity, error: null }
    } catch (thrown) {
      if (signal.aborted) throw thrown
      return { ok: false, identity: null, error: this.#errorText(thrown) }
    }
  }

  async #inPassing(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      this.#options.log.debug({ channel: this.brief.name, reason: this.#errorText(thrown) }, `${what} failed`)
    }
  }

  #hear(told: ReceptionState): void {
    this.#change({ ...told, failures: told.failures + this.#thread.crashes })
  }

  #change(changed: Partial<AdapterState>): void {
    const next = { ...this.#state, ...changed }
    if (isDeepStrictEqual(next, this.#state)) return
    this.#state = next
    this.#report()
  }

  #report(): void {
    const { kernel, log } = this.#options
    kernel
      .reportAdapter(this.#state)
      .catch((thrown: unknown) => log.warn({ reason: reasonOf(thrown) }, 'the state of an adapter could not be told'))
  }
}

function retry(error: string, retry_after_ms: number | null): SendOutcome {
  return { status: 'retry', error, code: null, retry_after_ms }
}

function waitAskedMs(thrown: unknown): number | null {
  const seconds = thrown instanceof RuntimeError ? thrown.details?.retry_after_seconds : undefined
  return seconds === undefined ? null : seconds * 1_000
}
