import { expect, test } from 'vitest'
import { openConfig } from '#kernel/config/live-config.ts'
import { defaultConfig, sectionNames } from '#kernel/config/schema.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { tempHome } from '../support/temp-home.ts'

test('an empty file is a whole configuration', () => {
  const config = openConfig(tempHome(), {}).current()
  expect(config.models.primary).toBe('keel/offline')
  expect(config.server).toMatchObject({ bind: '127.0.0.1', port: 18_789, api_key: null, rate_limit_requests: 600 })
  expect(config.providers).toEqual({})
  expect(Object.keys(config)).toEqual(sectionNames)
  expect(config.server.per_ip_rate_limit_requests).toBeGreaterThanOrEqual(config.server.rate_limit_requests)
})

test.each([
  ['[models.routing]\ncost_weight = "x"', 'models.routing.cost_weight: expected a number from 0 to 1, got "x"'],
  [
    '[models.routing]\nconfidence_threshold = 1.5',
    'models.routing.confidence_threshold: expected a number from 0 to 1, got 1.5',
  ],
  [
    '[models.routing]\nmode = "clever"',
    'models.routing.mode: expected one of "metascore", "primary", "round_robin", got "clever"',
  ],
  [
    '[models.routing]\nper_provider_timeout_seconds = 4',
    'models.routing.per_provider_timeout_seconds: expected a number from 5 to 3600, got 4',
  ],
  [
    '[models.routing]\nper_provider_timeout_seconds = 200',
    'models.routing.per_provider_timeout_seconds: expected at most max_total_inference_seconds',
  ],
  [
    '[models.routing]\nmax_fallback_attempts = 0',
    'models.routing.max_fallback_attempts: expected a whole number from 1 to 100, got 0',
  ],
  [
    '[models.routing]\nestimated_output_tokens = 0',
    'models.routing.estimated_output_tokens: expected a whole number of at least 1, got 0',
  ],
  [
    '[models.routing]\nblocked_models = [" "]',
    'models.routing.blocked_models.0: expected text that is not blank, got " "',
  ],
  [
    '[models.routing]\ncanary_model = "a/b"',
    'models.routing.canary_fraction: expected a number above 0, because canary_model is set',
  ],
  [
    '[models.routing]\ncanary_fraction = 0.5',
    'models.routing.canary_model: expected a model, because canary_fraction is above 0',
  ],
  [
    '[models.routing]\ncanary_model = "a/b"\ncanary_fraction = 0.1\nblocked_models = ["a/b"]',
    '"a/b" is also in blocked_models',
  ],
  ['[models]\nprimary = ""', 'models.primary: expected text that is not blank, got ""'],
  ['[agent]\nname = " "', 'agent.name: expected text that is not blank, got " "'],
  ['[agent]\nid = 5', 'agent.id: expected text, got 5'],
  [
    '[agent]\nautonomy_max_react_turns = 0',
    'agent.autonomy_max_react_turns: expected a whole number from 1 to 1000, got 0',
  ],
  ['agent = "me"', 'agent: expected a table, got "me"'],
  ['[server]\nbind = "example.org"', 'server.bind: expected an IP address or "localhost", got "example.org"'],
  ['[server]\nport = 70000', 'server.port: expected a whole number from 0 to 65535, got 70000'],
  [
    '[server]\nbind = "0.0.0.0"',
    'server.bind: other machines can reach "0.0.0.0", so the key must be one that you chose',
  ],
  [
    '[server]\ntrusted_proxy_cidrs = ["10.0.0.0"]',
    'server.trusted_proxy_cidrs.0: expected a network such as "10.0.0.0/8", got "10.0.0.0"',
  ],
  ['[server]\ncron_max_concurrency = 17', 'server.cron_max_concurrency: expected a whole number from 1 to 16, got 17'],
  ['[session]\nscope_mode = "all"', 'session.scope_mode: expected one of "agent", "peer", "group", got "all"'],
  ['[memory]\nworking_budget_pct = 50', 'memory: the five *_budget_pct must add up to 100, got 120'],
  ['[treasury]\nper_payment_cap = 0', 'treasury.per_payment_cap: expected a number above 0, got 0'],
  ['[treasury]\nminimum_reserve = -1', 'treasury.minimum_reserve: expected a number of at least 0, got -1'],
  [
    '[treasury.revenue_swap]\nenabled = true',
    'treasury.revenue_swap.default_chain: "ETH" is not in treasury.revenue_swap.chains',
  ],
  [
    '[[treasury.revenue_swap.chains]]\nchain = "ETH"\n[[treasury.revenue_swap.chains]]\nchain = "ETH"',
    'a chain is listed more than once',
  ],
  ['[self_funding.tax]\nrate = 1.5', 'self_funding.tax.rate: expected a number from 0 to 1, got 1.5'],
  ['[self_funding.tax]\nenabled = true', 'self_funding.tax.destination_wallet: expected an address'],
  ['[security]\ndeny_on_empty_allowlist = false', 'security.deny_on_empty_allowlist: expected true'],
  [
    '[security]\nallowlist_authority = "Creator"\ntrusted_authority = "Peer"',
    'security.allowlist_authority: expected at most security.trusted_authority',
  ],
  [
    '[security]\nthreat_caution_ceiling = "Creator"',
    'security.threat_caution_ceiling: expected an authority below "Creator"',
  ],
  [
    '[security.filesystem]\nscript_allowed_paths = ["rel"]',
    'security.filesystem.script_allowed_paths: expected absolute paths, got "rel"',
  ],
  [
    '[providers.mine]\nformat = "openai"',
    'providers.mine.url: expected a URL such as "https://api.example.org", but it is missing',
  ],
  [
    '[providers.mine]\nurl = "ftp://x"',
    'providers.mine.url: expected a URL that begins with http:// or https://, got "ftp://x"',
  ],
  [
    '[providers.mine]\nurl = "https://me:pass@x"',
    'providers.mine.url: expected a URL without a user name and password; put the key in api_key_env, got "https://me:***@x"',
  ],
  [
    '[providers.mine]\nurl = "https://x"\nformat = "soap"',
    'providers.mine.format: expected one of "openai", "anthropic", "ollama", "google", got "soap"',
  ],
  ['[providers."a b"]\nurl = "https://x"', 'providers."a b": expected a provider name of letters'],
  ['[providers.keel]\nurl = "https://x"', 'providers.keel: expected a provider name'],
  [
    '[cors]\nallowed_origins = ["*"]',
    'cors.allowed_origins.0: expected an origin such as "https://keel.example.org", got "*"',
  ],
])('%j is refused by name', (text, message) => {
  expect(() => openConfig(tempHome(text), {})).toThrow(message)
})

test('a refused secret is not shown, and the exit code is told', () => {
  const home = tempHome('[channels.whatsapp]\napp_secret = 12345678')
  const error = catchError(() => openConfig(home, {}))
  expect(error.message).toBe(
    'invalid config: channels.whatsapp.app_secret: expected text, got something else (not shown)',
  )
  expect(error.details).toEqual({ exit_code: 1 })
})

test('broken TOML names the file and the line, and does not quote it', () => {
  const error = catchError(() => openConfig(tempHome('[server]\napi_key = "secret-value" x'), {}))
  expect(error.message).toMatch(/^invalid config: keel\.toml, line 2, column \d+: /)
  expect(error.message).not.toContain('secret-value')
})

test('unknown sections and keys are warned of with the nearest known name', () => {
  const config = openConfig(
    tempHome(
      '[modles]\nprimary = "a/b"\n[server]\nprot = 1\n[providers.mine]\nurl = "https://x"\napi_key_evn = "X"\n[agent]\nzzzz = 1',
    ),
    {},
  )
  expect(config.warnings()).toEqual(
    expect.arrayContaining([
      'modles: unknown section, ignored; did you mean "models"?',
      'server.prot: unknown key, ignored; did you mean "port"?',
      'providers.mine.api_key_evn: unknown key, ignored; did you mean "api_key_env"?',
      'agent.zzzz: unknown key, ignored',
    ]),
  )
  expect(config.current().models.primary).toBe('keel/offline')
})

test('an unknown key inside a list of tables is a warning too', () => {
  const config = openConfig(
    tempHome('[[mcp.clients]]\nname = "files"\ntransport = "STDIO"\ncommand = "mcp-files"\nspeed = 1'),
    {},
  )
  expect(config.current().mcp.clients).toMatchObject([{ name: 'files', transport: 'stdio', command: 'mcp-files' }])
  expect(config.warnings()).toEqual([expect.stringContaining('mcp.clients.0.speed: unknown key')])
})

test.each(['__proto__', 'constructor', 'prototype'])('the key %s is inert', (key) => {
  const config = openConfig(
    tempHome(`[agent.${key}]\nname = "evil"\n[providers.${key}]\nurl = "https://evil"\n[${key}]\npolluted = true`),
    {},
  )
  expect(config.current().providers).toEqual({})
  expect(config.current().agent.name).toBe('Keel')
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  expect(config.warnings().filter((text) => text.includes(key))).toHaveLength(3)
  expect(config.knowsProvider(key)).toBe(false)
})

test('old spellings are understood and told', () => {
  const config = openConfig(tempHome('[server]\nhost = "localhost"\n[models.routing]\nmode = "heuristic"'), {})
  expect(config.current().server.bind).toBe('localhost')
  expect(config.current().models.routing.mode).toBe('metascore')
  expect(config.warnings()).toHaveLength(2)
})

test('the defaults are shared by nobody', () => {
  openConfig(tempHome(), {}).current().models.fallbacks.push('x/y')
  expect(openConfig(tempHome(), {}).current().models.fallbacks).toEqual([])
  expect(defaultConfig.models.fallbacks).toEqual([])
})

function catchError(run: () => unknown): RuntimeError {
  try {
    run()
  } catch (thrown) {
    if (thrown instanceof RuntimeError) return thrown
    throw thrown
  }
  throw new Error('nothing was thrown')
}
