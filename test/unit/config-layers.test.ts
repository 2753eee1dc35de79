import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openConfig } from '#kernel/config/live-config.ts'
import { tempHome } from '../support/temp-home.ts'

test('each layer wins over the one beneath it, and each value tells where it comes from', () => {
  const home = tempHome('[agent]\nname = "File"\nid = "file"\nlog_level = "warn"')
  writeFileSync(home.overrides, '[agent]\nname = "Override"\nid = "override"')
  const config = openConfig(home, { KEEL_AGENT__NAME: 'Env' })
  expect(config.current().agent).toMatchObject({ name: 'Env', id: 'override', log_level: 'warn' })
  expect(config.origin('agent.name')).toBe('environment')
  expect(config.origin('agent.id')).toBe('override')
  expect(config.origin('agent.log_level')).toBe('file')
  expect(config.origin('agent.workspace')).toBe('default')
  expect(config.status().sources).toEqual({
    'agent.name': 'environment',
    'agent.id': 'override',
    'agent.log_level': 'file',
  })
})

test.each([
  ['KEEL_MODELS__ROUTING__COST_WEIGHT', '0.25', ['models', 'routing', 'cost_weight'], 0.25],
  ['KEEL_MODELS__FALLBACKS', '["a/b", "c/d"]', ['models', 'fallbacks'], ['a/b', 'c/d']],
  ['KEEL_CACHE__ENABLED', 'false', ['cache', 'enabled'], false],
  ['KEEL_AGENT__NAME', '42', ['agent', 'name'], '42'],
  ['KEEL_AGENT__NAME', 'Ada Lovelace', ['agent', 'name'], 'Ada Lovelace'],
  ['KEEL_AGENT__NAME', '"quoted"', ['agent', 'name'], 'quoted'],
  ['KEEL_AGENT__NAME', '2025-01-01', ['agent', 'name'], '2025-01-01'],
  [
    'KEEL_CHANNELS__WHATSAPP__PHONE_NUMBER_ID',
    '15550001111',
    ['channels', 'whatsapp', 'phone_number_id'],
    '15550001111',
  ],
  ['KEEL_HOST', 'localhost', ['server', 'bind'], 'localhost'],
  ['KEEL_PORT', '0', ['server', 'port'], 0],
  ['KEEL_API_KEY', '1234567890123456', ['server', 'api_key'], '1234567890123456'],
  ['KEEL_PROVIDERS__LLAMA_CPP__URL', 'http://10.0.0.1:1', ['providers', 'llama-cpp', 'url'], 'http://10.0.0.1:1'],
])('%s=%s', (name, text, path, value) => {
  const config = openConfig(tempHome(), { [name]: text })
  let found: unknown = config.current()
  for (const key of path) found = (found as Record<string, unknown>)[key]
  expect(found).toEqual(value)
})

test('a wrong variable is refused by its key, an unknown one is a warning, an empty one is unset', () => {
  expect(() => openConfig(tempHome(), { KEEL_PORT: 'http' })).toThrow(
    'server.port: expected a whole number from 0 to 65535, got "http"',
  )
  const config = openConfig(tempHome(), {
    KEEL_MODLES__PRIMARY: 'a/b',
    KEEL_AGENT__NAME: '',
    KEEL_AGENT____PROTO__: 'x',
    KEEL_SOMETHING: 'x',
  })
  expect(config.warnings()).toEqual([
    'KEEL_AGENT____PROTO__: this key is never used, ignored',
    'KEEL_MODLES__PRIMARY: unknown section, ignored; did you mean "models"?',
  ])
  expect(config.current().agent.name).toBe('Keel')
})

test("paths begin in the home folder, in the user's, or at the root", () => {
  const home = tempHome(
    '[agent]\nworkspace = "~/work"\n[skills]\nskills_dir = "/opt/skills"\n[database]\npath = ":memory:"',
  )
  const { agent, skills, plugins, database } = openConfig(home, {}).current()
  expect(agent.workspace).toMatch(/^\/.*\/work$/)
  expect(skills.skills_dir).toBe('/opt/skills')
  expect(plugins.dir).toBe(home.plugins)
  expect(database.path).toBe(':memory:')
})

test('a bundled provider counts only once it is configured or has a key', () => {
  const none = openConfig(tempHome(), {})
  expect(none.current().providers).toEqual({})
  expect(none.knowsProvider('openai')).toBe(true)
  expect(none.knowsProvider('mine')).toBe(false)

  const byKey = openConfig(tempHome(), { OPENAI_API_KEY: 'k' }).current().providers
  expect(Object.keys(byKey)).toEqual(['openai'])
  expect(byKey.openai).toMatchObject({ url: 'https://api.openai.com', tier: 'T3' })

  const bySection = openConfig(tempHome('[providers.ollama]\ntier = "T2"'), {}).current().providers
  expect(Object.keys(bySection)).toEqual(['ollama'])
  expect(bySection.ollama).toMatchObject({ url: 'http://127.0.0.1:11434', is_local: true, tier: 'T2' })
})

test.each([
  ['url = "http://127.0.0.1:9"', true],
  ['url = "http://localhost:9"', true],
  ['url = "http://127.0.0.1:9"\napi_key_env = "X"', false],
  ['url = "http://127.0.0.1:9"\nis_local = false', false],
  ['url = "http://127.0.0.1.example.org"', false],
  ['url = "https://example.org"', false],
])('%j is local: %s', (text, isLocal) => {
  expect(openConfig(tempHome(`[providers.mine]\n${text}`), {}).current().providers.mine?.is_local).toBe(isLocal)
})

test('what is allowed but hardly meant is told', () => {
  const config = openConfig(
    tempHome(
      '[models]\nprimary = "gpt"\nfallbacks = ["far/away"]\n[server]\napi_key = "short"\n[providers.mine]\nurl = "https://x"\napi_key = "k"',
    ),
    {},
  )
  expect(config.warnings()).toEqual([
    expect.stringMatching(/^providers\.mine\.api_key: .*keel provider key mine/),
    expect.stringMatching(/^server\.api_key: shorter than 16/),
    'models.primary: "gpt" names no provider; a model is written as "provider/model"',
    'models.fallbacks: "far/away" can not be used, as the provider "far" is not configured',
  ])
})

test('the starter file is valid when its comments are taken away', () => {
  const home = tempHome()
  const examples = readFileSync(home.config, 'utf8')
    .split('\n')
    .map((line) => line.replace(/^# (?=\[|\w+ = )/, ''))
    .join('\n')
  expect(examples).toContain('\n[models]\nprimary = ')
  const config = openConfig(tempHome(examples), {})
  expect(config.warnings()).toEqual([])
  expect(Object.keys(config.current().providers)).toEqual(['openai', 'ollama'])
  expect(config.current().agent.workspace).not.toBe(join(home.root, 'x'))
})
