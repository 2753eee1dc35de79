import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import type { Config } from '#kernel/config/schema.ts'
import { WrongKeys } from '#kernel/http/auth.ts'
import { requireJsonType } from '#kernel/http/body.ts'
import type { Caller } from '#kernel/http/gate.ts'
import { parseJsonText } from '#kernel/http/json-text.ts'
import { countWebhooks, insertWebhook } from '#kernel/store/channel-webhooks.ts'
import type { Store } from '#kernel/store/store.ts'
import { type PlatformName, platforms } from '#sdk/channels/platforms.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { isSameText, slackProblem, telegramProblem, whatsappProblem } from './verify-webhook.ts'

/** Bodies of one channel that may wait to be read. */
const maxWaitingWebhooks = 10_000
const formType = /^application\/x-www-form-urlencoded\s*(?:;|$)/i

export interface Webhook {
  headers: IncomingHttpHeaders
  body: Buffer
  caller: Pick<Caller, 'ip'>
}

interface DoorDeps {
  store: Store
  config: { current(): Pick<Config, 'channels'> }
  /** Whether the channel has all that it needs. */
  isConfigured: (channel: PlatformName) => boolean
  /** Something of this channel is to be read. */
  onKept: (channel: PlatformName) => void
}

/** Where platforms bring updates: what is not verified is not looked at, and what is, is kept before it is acknowledged. */
export class WebhookDoor {
  readonly #deps: DoorDeps
  readonly #wrongSecrets = new WrongKeys()

  constructor(deps: DoorDeps) {
    this.#deps = deps
  }

  telegram({ headers, body, caller }: Webhook): void {
    requireJsonType({ headers })
    const secret = this.#secretOf('telegram', this.#channels.telegram.webhook_secret)
    this.#refuseWrong('telegram', telegramProblem(headers, secret), caller)
    requireObject(body.toString(), body)
    this.#keep('telegram', body)
  }

  whatsapp({ headers, body, caller }: Webhook): void {
    const secret = this.#secretOf('whatsapp', this.#channels.whatsapp.app_secret)
    this.#refuseWrong('whatsapp', whatsappProblem(headers, body, secret), caller)
    requireObject(body.toString(), body)
    this.#keep('whatsapp', body)
  }

  /** Returns what Slack wants to hear when it looks whether this is its address. */
  slack({ headers, body, caller }: Webhook): { challenge?: string } {
    const secret = this.#secretOf('slack', this.#channels.slack.signing_secret)
    this.#refuseWrong('slack', slackProblem(headers, body, secret), caller)
    const text = body.toString()
    // Pressed buttons come as a form with JSON in it.
    const json = formType.test(headers['content-type'] ?? '') ? (new URLSearchParams(text).get('payload') ?? '') : text
    const { type, challenge } = requireObject(json, body)
    if (type === 'url_verification' && typeof challenge === 'string') return { challenge }
    this.#keep('slack', body)
    return {}
  }

  /** Whether this is the token with which WhatsApp says that the address is its own; `unavailable` where it is not set up. */
  isWhatsappToken(mode: string | undefined, token: string | undefined): boolean {
    if (!this.#deps.isConfigured('whatsapp')) throw notConfigured('whatsapp')
    return mode === 'subscribe' && isSameText(token ?? '', this.#channels.whatsapp.verify_token)
  }

  get #channels() {
    return this.#deps.config.current().channels
  }

  #secretOf(channel: PlatformName, secret: string | null): string {
    if (!this.#deps.isConfigured(channel)) throw notConfigured(channel)
    if (!secret) throw new RuntimeError('unavailable', 'Webhook secret not configured')
    return secret
  }

  /** Who is wrong too often is told to wait; the right secret is never held up by it. */
  #refuseWrong(channel: PlatformName, problem: string | null, { ip }: Pick<Caller, 'ip'>): void {
    if (problem === null) return
    const refusal = this.#wrongSecrets.count(`${channel} ${ip}`)
    throw isErrorOf(refusal, 'rate_limited') ? refusal : new RuntimeError('unauthorized', problem)
  }

  #keep(channel: PlatformName, body: Buffer): void {
    const { store, onKept } = this.#deps
    if (countWebhooks(store.read, channel) >= maxWaitingWebhooks)
      throw new RuntimeError('unavailable', `${maxWaitingWebhooks} webhooks of ${channel} wait to be read already`, {
        retry_after_seconds: 5,
      })
    insertWebhook(store.durable, channel, body.toString())
    onKept(channel)
  }
}

function notConfigured(channel: PlatformName): RuntimeError {
  return new RuntimeError('unavailable', `${platforms[channel].title} not configured`)
}

/** The update as it is sent, known to be an object; the adapter reads what it says. */
function requireObject(json: string, body: Buffer): Record<string, unknown> {
  let value: unknown
  try {
    value = isUtf8(body) ? parseJsonText(json) : undefined
  } catch (cause) {
    throw new RuntimeError('invalid', 'invalid JSON', undefined, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RuntimeError('invalid', value === undefined ? 'invalid JSON' : 'the body must be a JSON object')
  return value as Record<string, unknown>
}
