import type { Config } from '#kernel/config/schema.ts'
import { keystoreEntry } from '#kernel/secrets/provider-keys.ts'
import type { SealedStore } from '#kernel/secrets/sealed-store.ts'
import type { ChannelSecret, PlatformName } from '#sdk/channels/platforms.ts'
import { isErrorOf } from '#sdk/errors.ts'
import type { AdapterSettings, ChannelSettings } from '#sdk/services/channels.ts'

/** Where Telegram sends updates to, unless `webhook_path` says otherwise. */
const telegramPath = '/api/webhooks/telegram'

export interface ReadChannels {
  settings: ChannelSettings
  /** Why a channel that somebody has begun to set up can not run; never a secret. */
  problems: Map<PlatformName, string>
}

/** The parts of a channel's settings that say whether it is to run, and with what. */
type Draft = { [N in PlatformName]: () => AdapterSettings[N] }

/** Keeps a channel out, and says why. */
class NotSetUp extends Error {}

/** The configuration as the channels service needs it: a channel is there if it is enabled and has all that it needs. */
export function channelSettingsOf(
  { agent, egress, channels }: Config,
  { secrets, env }: { secrets: Pick<SealedStore, 'get'>; env: NodeJS.ProcessEnv },
): ReadChannels {
  const secretOf = (channel: PlatformName) => secretReader(channel, secrets, env)
  const drafts: Draft = {
    telegram: () => telegramSettings(channels.telegram, secretOf('telegram')),
    whatsapp: () => ({
      token: secretOf('whatsapp')('token', channels.whatsapp.token_env, channels.whatsapp.token_ref),
      api_url: channels.whatsapp.api_url,
      phone_number_id: present('phone_number_id', channels.whatsapp.phone_number_id),
    }),
    discord: () => ({
      token: secretOf('discord')('token', channels.discord.token_env, channels.discord.token_ref),
      api_url: channels.discord.api_url,
      application_id: channels.discord.application_id,
    }),
    slack: () => ({
      bot_token: secretOf('slack')('token', channels.slack.token_env, channels.slack.token_ref),
      app_token: optional(() =>
        secretOf('slack')('app_token', channels.slack.app_token_env, channels.slack.app_token_ref),
      ),
      api_url: channels.slack.api_url,
    }),
    matrix: () => ({
      access_token: secretOf('matrix')('token', channels.matrix.token_env, channels.matrix.token_ref),
      homeserver_url: channels.matrix.homeserver_url,
    }),
    email: () => emailSettings(channels.email, secretOf('email')),
    signal: () => ({
      phone_number: present('phone_number', channels.signal.phone_number),
      daemon_url: present('daemon_url', channels.signal.daemon_url),
    }),
  }
  const adapters: Record<string, unknown> = {}
  const problems = new Map<PlatformName, string>()
  for (const [name, draft] of Object.entries(drafts) as [PlatformName, () => unknown][]) {
    if (!isWanted(name, channels, secrets)) continue
    try {
      adapters[name] = draft()
    } catch (thrown) {
      if (!(thrown instanceof NotSetUp)) throw thrown
      problems.set(name, `channels.${name}: ${thrown.message}`)
    }
  }
  const settings = { allowed_hosts: egress.allowed_hosts, agent_name: agent.name, adapters }
  return { settings: settings as ChannelSettings, problems }
}

/** Telegram and Discord are enabled from the start, and meant once their token is named or sealed. */
function isWanted(name: PlatformName, channels: Config['channels'], secrets: Pick<SealedStore, 'get'>): boolean {
  if (!channels[name].enabled) return false
  if (name !== 'telegram' && name !== 'discord') return true
  const { token_env, token_ref } = channels[name]
  return hasName(token_env, token_ref) || isSealed(secrets, channelSecretName(name, 'token'))
}

function hasName(env: string, ref: string | null): boolean {
  return env !== '' || ref !== null
}

function isSealed(secrets: Pick<SealedStore, 'get'>, entry: string): boolean {
  try {
    return secrets.get(entry) !== undefined
  } catch (thrown) {
    // It is there, and why it can not be read is told where it is needed.
    if (isErrorOf(thrown, 'internal')) return true
    throw thrown
  }
}

/** The name under which a channel's secret is sealed where the configuration names no other. */
export function channelSecretName(channel: PlatformName, secret: ChannelSecret): string {
  return `channel/${channel}/${secret}`
}

type ReadSecret = (what: ChannelSecret, variable: string, ref: string | null) => string

/** A sealed secret comes before a variable of the environment. */
function secretReader(channel: PlatformName, secrets: Pick<SealedStore, 'get'>, env: NodeJS.ProcessEnv): ReadSecret {
  return (what, variable, ref) => {
    const sealed = sealedSecret(secrets, what, ref === null ? channelSecretName(channel, what) : keystoreEntry(ref))
    const found = sealed || env[variable]?.trim()
    if (found) return found
    if (ref !== null) throw new NotSetUp(`there is no secret ${ref}, which ${what}_ref names`)
    if (variable !== '') throw new NotSetUp(`${variable}, which ${what}_env names, is not set`)
    throw new NoSecret(`it has no ${what}: store it with keel channels secret ${channel} ${what}, or name ${what}_env`)
  }
}

/** Nobody has named it. */
class NoSecret extends NotSetUp {}

function optional(read: () => string): string | null {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof NoSecret) return null
    throw thrown
  }
}

function sealedSecret(secrets: Pick<SealedStore, 'get'>, what: string, entry: string): string | undefined {
  try {
    return secrets.get(entry)
  } catch (thrown) {
    if (!isErrorOf(thrown, 'internal')) throw thrown
    throw new NotSetUp(`its sealed ${what} can not be read`)
  }
}

function present(name: string, value: string): string {
  if (value.trim() === '') throw new NotSetUp(`${name} is not set`)
  return value.trim()
}

function telegramSettings(telegram: Config['channels']['telegram'], secret: ReadSecret): AdapterSettings['telegram'] {
  const { api_url, poll_timeout_seconds, webhook_secret, webhook_mode, public_url, webhook_path } = telegram
  const token = secret('token', telegram.token_env, telegram.token_ref)
  if (webhook_mode && !webhook_secret) throw new NotSetUp('webhook_mode needs a webhook_secret')
  return {
    token,
    api_url,
    mode: webhook_mode ? 'webhook' : 'polling',
    poll_timeout_seconds,
    webhook_url: webhook_mode && public_url ? `${public_url.replace(/\/+$/, '')}${webhook_path ?? telegramPath}` : null,
    webhook_secret: webhook_secret || null,
  }
}

function emailSettings(email: Config['channels']['email'], secret: ReadSecret): AdapterSettings['email'] {
  const { imap_host, imap_port, imap_security, smtp_host, smtp_port, smtp_security, use_oauth2 } = email
  return {
    username: present('username', email.username),
    password: use_oauth2 ? null : secret('password', email.password_env, null),
    oauth2_token: use_oauth2 ? secret('oauth2_token', email.oauth2_token_env, null) : null,
    from_address: present('from_address', email.from_address),
    authserv_id: present('authserv_id', email.authserv_id),
    imap: {
      host: present('imap_host', imap_host),
      port: imap_port,
      idle: email.imap_idle_enabled,
      tls: imap_security === 'tls',
    },
    smtp: {
      host: present('smtp_host', smtp_host),
      port: smtp_port,
      tls: smtp_security === 'tls' ? 'implicit' : smtp_security,
    },
    poll_interval_seconds: email.poll_interval_seconds,
  }
}
