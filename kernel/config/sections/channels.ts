import { z } from 'zod'
import { flag, integer, integerList, optionalText, section, text, textList } from '../fields.ts'

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

const telegram = section({
  enabled: flag(true),
  token_env: text(''),
  token_ref: optionalText(),
  allowed_chat_ids: integerList(),
  poll_timeout_seconds: integer(30, 1, 300),
  webhook_mode: flag(false),
  webhook_path: optionalText(),
  webhook_secret: optionalText(),
})

const whatsapp = section({
  enabled: flag(false),
  token_env: text(''),
  token_ref: optionalText(),
  phone_number_id: text(''),
  verify_token: text(''),
  allowed_numbers: textList(),
  app_secret: optionalText(),
})

const discord = section({
  enabled: flag(true),
  token_env: text(''),
  token_ref: optionalText(),
  application_id: text(''),
  allowed_guild_ids: textList(),
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
  username: text(''),
  password_env: text(''),
  from_address: text(''),
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
  signal,
  email,
  voice,
})
