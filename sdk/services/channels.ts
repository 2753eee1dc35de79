import { z } from 'zod'
import { channelUpdate, chatAddress, outboundMessage, sendOutcome } from '../channels/message.ts'
import { mediaKind, platformName } from '../channels/platforms.ts'
import { method, notice, service } from '../service.ts'

const secret = z.string().min(1)

/** What each adapter needs; a platform that is not to run is not there. Secrets are plain, and go nowhere else. */
export const channelSettings = z.object({
  /** Hosts that media may come from although their address is private. */
  allowed_hosts: z.array(z.string()),
  /** How the agent is called, for platforms that do not say when it is addressed. */
  agent_name: z.string(),
  adapters: z
    .object({
      telegram: z.object({
        token: secret,
        api_url: z.string(),
        mode: z.enum(['polling', 'webhook']),
        poll_timeout_seconds: z.number(),
        /** Where Telegram is told to send updates; null leaves that to the operator. */
        webhook_url: z.string().nullable(),
        webhook_secret: secret.nullable(),
      }),
      whatsapp: z.object({ token: secret, api_url: z.string(), phone_number_id: z.string() }),
      discord: z.object({ token: secret, api_url: z.string(), application_id: z.string() }),
      slack: z.object({
        bot_token: secret,
        /** For Socket Mode; null takes events by webhook alone. */
        app_token: secret.nullable(),
        api_url: z.string(),
      }),
      matrix: z.object({ access_token: secret, homeserver_url: z.string() }),
      email: z.object({
        username: z.string(),
        password: secret.nullable(),
        oauth2_token: secret.nullable(),
        from_address: z.string(),
        /** Of the server that says who a message is really from; `*` stands for whichever wrote so above all others. */
        authserv_id: z.string(),
        imap: z.object({ host: z.string(), port: z.number(), idle: z.boolean(), tls: z.boolean() }),
        smtp: z.object({ host: z.string(), port: z.number(), tls: z.enum(['implicit', 'starttls', 'none']) }),
        poll_interval_seconds: z.number(),
      }),
      signal: z.object({ phone_number: z.string(), daemon_url: z.string() }),
    })
    .partial(),
})
export type ChannelSettings = z.infer<typeof channelSettings>
export type AdapterSettings = Required<ChannelSettings['adapters']>

export const adapterState = z.object({
  name: platformName,
  /** `starting`: not yet connected; `backing_off`: it failed and is tried again; `stopped`: not to run. */
  state: z.enum(['starting', 'connected', 'backing_off', 'stopped']),
  mode: z.enum(['polling', 'webhook', 'gateway']),
  last_error: z.string().max(1_024).nullable(),
  /** Of the last word from the platform. */
  last_activity: z.string().nullable(),
  /** Failed starts and lost connections in a row. */
  failures: z.number().int(),
})
export type AdapterState = z.infer<typeof adapterState>

const atChat = chatAddress.extend({ channel: platformName })

/** Speaks with the platforms: each adapter on a thread of its own, so that what befalls one befalls no other. */
export const channelsService = service('channels', {
  /** Starts, stops and restarts the adapters whose settings have changed, and leaves the others alone. */
  configure: method({ params: channelSettings, result: z.null(), timeoutMs: 10_000, retry: 'safe' }),
  status: method({
    params: z.object({}),
    result: z.object({ adapters: z.array(adapterState) }),
    timeoutMs: 2_000,
    retry: 'safe',
  }),
  restart: method({ params: z.object({ channel: platformName }), result: z.null(), timeoutMs: 10_000, retry: 'safe' }),
  /** What a webhook's body, verified by the kernel, says. Sends nothing and keeps nothing. */
  parse: method({
    params: z.object({ channel: platformName, body: z.string() }),
    result: z.object({ updates: z.array(channelUpdate) }),
    timeoutMs: 5_000,
    retry: 'safe',
  }),
  /** Sends the parts that are still to be sent, and tells of each as it is accepted, with the platform's id of it. */
  send: method({
    params: outboundMessage.extend({ channel: platformName }),
    chunk: z.object({ part: z.number().int(), parts: z.number().int(), message_id: z.string().nullable() }),
    result: sendOutcome,
    timeoutMs: 60_000,
    retry: 'never',
  }),
  /** Shows the beginning of an answer: a new message where `message_id` is null, else that one changed. */
  draft: method({
    params: atChat.extend({
      text: z.string(),
      message_id: z.string().nullable(),
      reply_to: z.string().nullable(),
    }),
    result: z.object({ message_id: z.string().nullable() }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  typing: notice(atChat.extend({ message_id: z.string().nullable() })),
  /** Acknowledges a pressed button, so that it stops spinning. */
  answerPress: notice(z.object({ channel: platformName, external_id: z.string(), text: z.string().max(200) })),
  /** The bytes of an attachment, as base64; `too_large` past `max_bytes`, `forbidden` where the guard refuses. */
  fetchMedia: method({
    params: z.object({ channel: platformName, ref: z.string(), kind: mediaKind, max_bytes: z.number().int() }),
    chunk: z.object({ data: z.string() }),
    result: z.object({
      content_type: z.string().nullable(),
      filename: z.string().nullable(),
      size_bytes: z.number().int(),
    }),
    timeoutMs: 120_000,
    retry: 'never',
  }),
  /** Whether the platform takes the credentials, and who it says Keel is there. */
  check: method({
    params: z.object({ channel: platformName }),
    result: z.object({ ok: z.boolean(), identity: z.string().nullable(), error: z.string().nullable() }),
    timeoutMs: 20_000,
    retry: 'safe',
  }),
})
