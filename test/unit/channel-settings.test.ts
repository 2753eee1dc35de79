import { expect, test } from 'vitest'
import { channelSettingsOf } from '#kernel/channels/settings.ts'
import { openConfig } from '#kernel/config/live-config.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { channelConfig, channelEnv } from '../support/channel-scene.ts'
import { tempHome } from '../support/temp-home.ts'

function read(
  config: string,
  { env = {}, sealed = {} }: { env?: NodeJS.ProcessEnv; sealed?: Record<string, string> } = {},
) {
  const secrets = {
    get(name: string) {
      if (name === 'broken') throw new RuntimeError('internal', 'can not be opened')
      return sealed[name]
    },
  }
  return channelSettingsOf(openConfig(tempHome(config), {}).current(), { secrets, env })
}

test('a secret that is sealed for a channel needs no setting, and means that the channel is wanted', () => {
  const { settings, problems } = read('', { sealed: { 'channel/telegram/token': 'sealed' } })
  expect([settings.adapters.telegram?.token, [...problems]]).toEqual(['sealed', []])
})

test('as it comes nothing is configured, and nothing is missed', () => {
  const { settings, problems } = read('')
  expect([settings.adapters, [...problems]]).toEqual([{}, []])
})

test('each channel that has all that it needs is there', () => {
  const { settings, problems } = read(channelConfig, { env: channelEnv })
  expect([...problems]).toEqual([])
  expect(Object.keys(settings.adapters).toSorted()).toEqual([
    'discord',
    'email',
    'matrix',
    'signal',
    'slack',
    'telegram',
    'whatsapp',
  ])
  expect(settings.adapters.telegram).toMatchObject({ token: 'tg', mode: 'polling', webhook_url: null })
  expect(settings.adapters.slack).toMatchObject({ bot_token: 'sl', app_token: null })
  expect(settings.adapters.email).toMatchObject({ password: 'pw', oauth2_token: null, smtp: { tls: 'starttls' } })
})

test('a sealed secret comes before a variable, with or without its prefix', () => {
  const config = (ref: string) => `[channels.telegram]\ntoken_env = "TG"\ntoken_ref = "${ref}"\n`
  const given = { env: { TG: 'from env' }, sealed: { bot: 'sealed' } }
  expect(read(config('bot'), given).settings.adapters.telegram?.token).toBe('sealed')
  expect(read(config('keystore:bot'), given).settings.adapters.telegram?.token).toBe('sealed')
  expect(read(config('other'), given).settings.adapters.telegram?.token).toBe('from env')
})

test('with an address of its own Telegram is told where to send', () => {
  const config = (more: string) =>
    `[channels.telegram]\ntoken_env = "TG"\nwebhook_mode = true\nwebhook_secret = "s"\npublic_url = "https://keel.example.org/"\n${more}`
  const urlOf = (more = '') => read(config(more), { env: { TG: 't' } }).settings.adapters.telegram?.webhook_url
  expect(urlOf()).toBe('https://keel.example.org/api/webhooks/telegram')
  expect(urlOf('webhook_path = "/hook"')).toBe('https://keel.example.org/hook')
})

test.each([
  ['[channels.telegram]\ntoken_env = "TG"', 'telegram', 'TG, which token_env names, is not set'],
  ['[channels.telegram]\ntoken_ref = "bot"', 'telegram', 'there is no secret bot, which token_ref names'],
  ['[channels.telegram]\ntoken_ref = "broken"', 'telegram', 'its sealed token can not be read'],
  [
    '[channels.slack]\nenabled = true',
    'slack',
    'it has no token: store it with keel channels secret slack token, or name token_env',
  ],
  ['[channels.signal]\nenabled = true', 'signal', 'phone_number is not set'],
  [
    '[channels.email]\nenabled = true\nusername = "a"',
    'email',
    'it has no password: store it with keel channels secret email password, or name password_env',
  ],
])('what is missing is named: %s', (config, name, problem) => {
  const { settings, problems } = read(config)
  expect([settings.adapters, [...problems]]).toEqual([{}, [[name, `channels.${name}: ${problem}`]]])
})

test('Telegram by webhook is nothing without a secret', () => {
  const { problems } = read('[channels.telegram]\ntoken_env = "TG"\nwebhook_mode = true\n', { env: { TG: 't' } })
  expect(problems.get('telegram')).toBe('channels.telegram: webhook_mode needs a webhook_secret')
})
