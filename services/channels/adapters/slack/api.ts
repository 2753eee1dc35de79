import {
  type Logger,
  LogLevel,
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebClient,
  type WebClientOptions,
} from '@slack/web-api'
import type { Logger as Log } from 'pino'
import { z } from 'zod'
import { PlatformError } from '../../platform-error.ts'
import { slackId } from './inbound.ts'

/** Refusals that no second try mends, by Slack's own code and what they are about; any other is tried again. */
const permanentCodes = new Set(
  [
    // where it is said
    'channel_not_found not_in_channel is_archived user_not_found users_not_found user_disabled user_not_in_channel',
    'cannot_dm_bot messages_tab_disabled invalid_channel thread_not_found invalid_thread_ts restricted_action',
    'restricted_action_read_only_channel restricted_action_thread_only_channel restricted_action_thread_locked',
    'restricted_action_non_threadable_channel posting_to_channel_denied ekm_access_denied',
    // who says it
    'invalid_auth not_authed account_inactive token_revoked token_expired not_allowed_token_type org_login_required',
    'no_permission access_denied missing_scope two_factor_setup_required enterprise_is_restricted forbidden_team',
    'team_access_not_granted socket_mode_not_enabled',
    // what is said
    'no_text msg_too_long msg_blocks_too_long too_many_attachments invalid_attachments invalid_blocks',
    'invalid_blocks_format invalid_arguments invalid_arg_name invalid_array_arg invalid_form_data invalid_post_type',
    'message_not_found cant_update_message edit_window_closed duplicate_message_not_found duplicate_channel_not_found',
    'file_not_found file_deleted file_upload_size_restricted file_uploads_disabled file_type_restricted',
    'blocked_file_type storage_limit_reached malware_detected',
    // how it is asked
    'deprecated_endpoint method_deprecated unknown_method',
  ].flatMap((codes) => codes.split(' ')),
)

const code = z.string().regex(/^[a-z0-9_]{1,64}$/)
const passingStatuses = new Set([408, 425, 429])
/** Slack asks for this much where it does not say. */
const usualWaitMs = 1_000

/** The clients' own lines at their lower levels repeat whole messages, and stay out of the log. */
export function clientLog(log: Log): Logger {
  const write = (...words: unknown[]) => log.warn({ client: 'slack' }, words.map(String).join(' '))
  const silent = () => {}
  return {
    debug: silent,
    info: silent,
    warn: write,
    error: write,
    setLevel: silent,
    getLevel: () => LogLevel.WARN,
    setName: silent,
  }
}

/** Nothing is tried twice and nothing is waited for: that is the outbox's. */
export function clientOptions(apiUrl: string, signal: AbortSignal): Omit<WebClientOptions, 'logger' | 'logLevel'> {
  return {
    slackApiUrl: apiUrl,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    allowAbsoluteUrls: false,
    fetch: (url, init) => fetch(url, { ...init, signal }),
  }
}

export class SlackApi {
  readonly #settings: { bot_token: string; api_url: string }
  readonly #log: Logger

  constructor(settings: { bot_token: string; api_url: string }, log: Log) {
    this.#settings = settings
    this.#log = clientLog(log)
  }

  /** One method of the Web API. Throws a PlatformError for what Slack refuses. */
  async call<T>(
    method: string,
    params: Record<string, unknown>,
    answer: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { bot_token, api_url } = this.#settings
    // A client has one way of fetching for all its calls, and each call has a signal of its own.
    const client = new WebClient(bot_token, { ...clientOptions(api_url, signal), logger: this.#log })
    try {
      const { success, data } = answer.safeParse(await client.apiCall(method, params))
      if (success) return data
    } catch (thrown) {
      signal.throwIfAborted()
      throw asPlatformError(thrown)
    }
    throw unreadable(method)
  }

  /** The bot itself, and where it is. */
  identity(signal: AbortSignal): Promise<z.infer<typeof identity>> {
    return this.call('auth.test', {}, identity, signal)
  }
}

const identity = z.object({
  user_id: slackId,
  user: z.string().default(''),
  team: z.string().default(''),
  team_id: z.string().nullish(),
})

/** The clients' errors carry answers and headers: they are no cause of ours. */
export function asPlatformError(thrown: unknown): unknown {
  if (thrown instanceof WebAPIRateLimitedError) {
    const retryAfterMs = Math.max(0, thrown.retryAfter) * 1_000
    return new PlatformError('Slack limits the rate', { code: 'ratelimited', permanent: false, retryAfterMs })
  }
  if (thrown instanceof WebAPIHTTPError) {
    const { statusCode } = thrown
    const permanent = statusCode >= 400 && statusCode < 500 && !passingStatuses.has(statusCode)
    return new PlatformError(`Slack answered with HTTP ${statusCode}`, { code: `http_${statusCode}`, permanent })
  }
  if (!(thrown instanceof WebAPIPlatformError)) return thrown
  const { success, data } = code.safeParse(thrown.data.error)
  if (!success) return unreadable('the call')
  const limited = data === 'ratelimited' || data === 'rate_limited'
  return new PlatformError(`Slack refused: ${data}`, {
    code: data,
    permanent: permanentCodes.has(data),
    retryAfterMs: limited ? usualWaitMs : null,
  })
}

function unreadable(what: string): PlatformError {
  const message = `Slack gave an answer to ${what} that can not be read`
  return new PlatformError(message, { code: 'unreadable_answer', permanent: false })
}
