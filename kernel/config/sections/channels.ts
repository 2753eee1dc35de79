import { z } from 'zod'
import { choice, flag, integer, integerList, optionalText, section, text, textList } from '../fields.ts'

const silence = new Set(['', 'none', 'null'])

/** `true` means every channel, written as `["*"]`. */
function announcementList(given: unknown): unknown {
  if (given === true) return ['*']
  if (given === false || given === null) return []
  const names = typeof given === 'string' ? [given] : given
  if (!Array.isArray(names)) return names
  const wanted = names.map((name) => (typeof name === 'string' ? name.trim().toLowerCase() : name))
  return [...new Set(wanted)].filter((name) => !silence.has(name))
}

const urlMessage = 'expected an address such as "https://example.org"'

function url(fallback: string) {
  return z.url({ protocol: /^https?$/, error: urlMessage }).default(fallback)
}

const telegram = section({
  enabled: flag(true),
  token_env: text(''),
  token_ref: optionalText(),
  api_url: url('https://api.telegram.org'),
  allowed_chat_ids: integerList(),
  poll_timeout_seconds: integer(30, 1, 300),
  webhook_mode: flag(false),
  webhook_path: optionalText(),
  webhook_secret: optionalText(),
  /** How Telegram reaches this Keel, such as `https://keel.example.org`; with it, Telegram is told where to send. */
  public_url: optionalText(),
})

const whatsapp = section({
  enabled: flag(false),
  token_env: text(''),
  token_ref: optionalText(),
  api_url: url('https://graph.facebook.com/v21.0'),
  phone_number_id: text(''),
  verify_token: text(''),
  allowed_numbers: textList(),
  app_secret: optionalText(),
})

const discord = section({
  enabled: flag(true),
  token_env: text(''),
  token_ref: optionalText(),
  api_url: url('https://discord.com/api'),
  application_id: text(''),
  allowed_guild_ids: textList(),
})

const slack = section({
  enabled: flag(false),
  /** Of the bot, `xoxb-…`. */
  token_env: text(''),
  token_ref: optionalText(),
  /** For Socket Mode, `xapp-…`. */
  app_token_env: text(''),
  app_token_ref: optionalText(),
  /** For events by webhook. */
  signing_secret: optionalText(),
  api_url: url('https://slack.com/api/'),
  allowed_channel_ids: textList(),
})

const matrix = section({
  enabled: flag(false),
  token_env: text(''),
  token_ref: optionalText(),
  homeserver_url: url('https://matrix.org'),
  allowed_room_ids: textList(),
})

const signal = section({
  enabled: flag(false),
  phone_number: text(''),
  daemon_url: text('http://127.0.0.1:8080'),
  allowed_numbers: textList(),
})

const email = section({
  enabled: flag(false),
  imap_host: text(''),
  imap_port: integer(993, 1, 65_535),
  smtp_host: text(''),
  smtp_port: integer(587, 1, 65_535),
  /** `none` speaks in the clear, and suits a server on this machine alone. */
  imap_security: choice(['tls', 'none'], 'tls'),
  smtp_security: choice(['tls', 'starttls', 'none'], 'starttls'),
  username: text(''),
  password_env: text(''),
  from_address: text(''),
  /** How the own mail server names itself in Authentication-Results: without it nobody's address is believed. */
  authserv_id: text(''),
  allowed_senders: textList(),
  poll_interval_seconds: integer(30, 1, 86_400),
  oauth2_token_env: text(''),
  use_oauth2: flag(false),
  imap_idle_enabled: flag(true),
})

const voice = section({
  enabled: flag(false),
  stt_model: optionalText(),
  tts_model: optionalText(),
  tts_voice: optionalText(),
})

export const channels = section({
  trusted_sender_ids: textList(),
  thinking_threshold_seconds: integer(30, 0, 3_600),
  startup_announcements: z
    .preprocess(announcementList, z.array(z.string('expected text'), 'expected true, false, text or a list').max(100))
    .default([]),
  telegram,
  whatsapp,
  discord,
  slack,
  matrix,
  signal,
  email,
  voice,
})
