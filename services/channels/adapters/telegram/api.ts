import { Api, GrammyError, HttpError } from 'grammy'
import { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import { PlatformError } from '../../platform-error.ts'

const maxAnswerBytes = 8 * 1024 * 1024
const maxReasonLength = 300
/** Client errors that pass by themselves. */
const passingCodes = new Set([408, 409, 425, 429])
const errorName = /^\w{1,64}$/

/** A request of the library, with the signal as its types name it. */
type Request<T> = (telegram: Api, signal: Parameters<Api['getMe']>[0]) => Promise<T>

/** The bot itself. */
export interface TelegramBot {
  id: number
  username: string
}

const ownUser = z.object({ id: z.number().int(), username: z.string().min(1).max(256) })

/**
 * Telegram's Bot API. The token is part of every address, so nothing that the library throws leaves this file: its
 * errors and their causes name addresses.
 */
export class TelegramApi {
  /** Without a slash at its end. */
  readonly root: string
  readonly #token: string
  readonly #telegram: Api

  constructor({ token, api_url }: { token: string; api_url: string }) {
    this.root = api_url.replace(/\/+$/, '')
    this.#token = token
    const baseFetchConfig = { redirect: 'error' as const, size: maxAnswerBytes }
    this.#telegram = new Api(token, { apiRoot: this.root, baseFetchConfig })
  }

  /** Throws a PlatformError for what Telegram refuses. */
  async ask<T>(request: Request<T>, signal: AbortSignal): Promise<T> {
    try {
      // The library's own type of a signal is that of an older package; it takes Node's.
      return await request(this.#telegram, signal as Parameters<Api['getMe']>[0])
    } catch (thrown) {
      signal.throwIfAborted()
      throw this.#asPlatformError(thrown)
    }
  }

  async bot(signal: AbortSignal): Promise<TelegramBot> {
    return read(ownUser, await this.ask((telegram, end) => telegram.getMe(end), signal))
  }

  /** Where a file is to be had. It holds the token, and is for the guarded fetch alone. */
  fileUrl(path: string): string {
    return `${this.root}/file/bot${this.#token}/${path}`
  }

  #asPlatformError(thrown: unknown): unknown {
    if (thrown instanceof HttpError) return this.#unreachable(thrown.error)
    if (!(thrown instanceof GrammyError) || typeof thrown.error_code !== 'number') return unreadable()
    const { error_code: code, description, parameters } = thrown
    const seconds = Number(parameters.retry_after)
    return new TelegramRefusal(this.#sentence(code, String(description)), {
      code,
      description: String(description),
      retryAfterMs: seconds > 0 ? seconds * 1_000 : null,
      movedTo: Number.isSafeInteger(parameters.migrate_to_chat_id) ? Number(parameters.migrate_to_chat_id) : null,
    })
  }

  /** What the stream of a file threw is told as it was. */
  #unreachable(cause: unknown): Error {
    if (cause instanceof RuntimeError || cause instanceof PlatformError) return cause
    const { code, type, name } = cause as { code?: unknown; type?: unknown; name?: unknown }
    const told = [code, type, name].find((word) => typeof word === 'string' && errorName.test(word.replace(/-/g, '_')))
    const message = `Telegram could not be reached: ${told ?? 'no reason given'}`
    return new PlatformError(message, { code: String(told ?? 'unreachable'), permanent: false })
  }

  #sentence(code: number, description: string): string {
    if (code === 401 || code === 404) return `Telegram does not know the bot's token, or api_url is wrong (${code})`
    if (code === 409) return 'Another program takes the updates of this bot, or a webhook is set for it'
    return `Telegram refused: ${description.replaceAll(this.#token, '***').slice(0, maxReasonLength)}`
  }
}

/** A refusal, with what only Telegram's own parts need to know. */
export class TelegramRefusal extends PlatformError {
  readonly status: number
  /** The group has become a supergroup with this id. */
  readonly movedTo: number | null
  /** Telegram has no code of its own for an edit that changes nothing. */
  readonly unchanged: boolean

  constructor(
    message: string,
    given: { code: number; description: string; retryAfterMs: number | null; movedTo: number | null },
  ) {
    const { code, description, retryAfterMs, movedTo } = given
    super(message, {
      code: String(code),
      permanent: code >= 400 && code < 500 && !passingCodes.has(code),
      retryAfterMs,
    })
    this.status = code
    this.movedTo = movedTo
    this.unchanged = code === 400 && description.includes('message is not modified')
  }
}

export function read<T>(schema: z.ZodType<T>, answer: unknown): T {
  const { success, data } = schema.safeParse(answer)
  if (success) return data
  throw unreadable()
}

function unreadable(): PlatformError {
  const message = 'Telegram gave an answer that can not be read'
  return new PlatformError(message, { code: 'unreadable_answer', permanent: false })
}
