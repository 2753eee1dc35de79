import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { closedUpstreamUrl, startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
const upstreams: Record<string, Upstream> = {}

function providerConfig(name: string, url: string, more = ''): string {
  return `[providers.${name}]\nurl = "${url}"\nis_local = true\nmodels = []\n${more}\n`
}

beforeAll(async () => {
  const lists = {
    wellformed: ['b', 'a', 'wellformed/c', 'vendor/d'],
    wrong: { body: { items: [] } },
    garbled: { body: '<html>' },
    refusing: { status: 403, error: { message: 'no' } },
    keyed: ['k'],
    ollama_box: ['llama3'],
  }
  for (const [name, models] of Object.entries(lists)) upstreams[name] = await startUpstream({}, { models })
  const url = (name: string) => upstreams[name]?.url ?? ''
  keel = await startDaemon({
    env: { KEEL_TEST_LISTING_KEY: 'sk-listing-0123456789' },
    config: [
      '[models]\nprimary = "gone/configured"\nfallbacks = ["wrong/spare"]\n',
      ...['wellformed', 'wrong', 'garbled', 'refusing'].map((name) =>
        providerConfig(name, url(name), 'format = "openai"'),
      ),
      providerConfig('ollama_box', url('ollama_box'), 'format = "ollama"'),
      providerConfig('gone', await closedUpstreamUrl(), 'format = "openai"'),
      `[providers.keyed]\nurl = "${url('keyed')}"\nformat = "openai"\nmodels = []\nis_local = false\napi_key_env = "KEEL_TEST_LISTING_KEY"\nauth_header = "query:key"\n`,
    ].join('\n'),
  })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  for (const upstream of Object.values(upstreams)) await upstream.close()
})

const list = (query = {}) => keel.client.models.listAvailableModels({ query })

test('each provider has its own outcome, and those who fail do not spoil the others', async () => {
  const { providers, models, count, validation_level, proxy } = await list()
  expect({ validation_level, proxy }).toEqual({ validation_level: 'zero', proxy: { mode: 'in_process' } })
  expect(providers).toMatchObject({
    wellformed: { status: 'ok', count: 4 },
    wrong: { status: 'error', error: 'invalid models discovery response' },
    garbled: { status: 'error', error: 'invalid models discovery response' },
    refusing: { status: 'error', error: 'http 403' },
    gone: { status: 'unreachable', error: expect.any(String), hint: expect.stringContaining('gone') },
    ollama_box: { status: 'ok', models: ['ollama_box/llama3'] },
    keyed: { status: 'ok', models: ['keyed/k'] },
  })
  expect(count).toBe(models.length)
  expect(models).toEqual([...new Set(models)].sort())
  expect(models).toEqual(expect.arrayContaining(['gone/configured', 'wrong/spare']))
})

test('a name gets its provider in front once, also one with a slash of its own', async () => {
  const { providers } = await list({ provider: 'wellformed' })
  expect(providers.wellformed?.models).toEqual(['wellformed/a', 'wellformed/b', 'wellformed/c', 'wellformed/vendor/d'])
})

test('one provider is asked for in any case; a name that nobody has is no error', async () => {
  expect(Object.keys((await list({ provider: 'WELLFORMED' })).providers)).toEqual(['wellformed'])
  const { providers, models } = await list({ provider: 'nobody' })
  expect(providers).toEqual({})
  expect(models).toContain('gone/configured')
})

test('a key that belongs into the address is put there, and shown nowhere', async () => {
  await list({ provider: 'keyed', refresh: true })
  expect(upstreams.keyed?.listRequests.at(-1)?.path).toBe('/v1/models?key=sk-listing-0123456789')
  await upstreams.keyed?.close()
  const answer = await (await keel.fetch('/api/models/available?refresh=true&provider=keyed')).text()
  expect(answer).toContain('"unreachable"')
  expect(answer).not.toContain('sk-listing')
  expect(await (await keel.fetch('/api/logs?lines=1000')).text()).not.toContain('sk-listing')
})

test('a list is remembered for the ordinary question, and asked for anew where that is wanted', async () => {
  const asked = () => upstreams.wellformed?.listRequests.length ?? 0
  const before = asked()
  await list({ provider: 'wellformed' })
  expect(asked()).toBe(before)
  await list({ provider: 'wellformed', refresh: true })
  await list({ provider: 'wellformed', validation_level: 'list' })
  expect(asked()).toBe(before + 2)
})

test('Ollama is asked at its own address', async () => {
  expect(upstreams.ollama_box?.listRequests.map(({ path }) => path)).toEqual(['/api/tags'])
})

test('nothing has been chosen yet', async () => {
  expect(await keel.client.models.listSelections({})).toEqual({ events: [], count: 0 })
  const { config } = await keel.client.models.getRoutingDiagnostics()
  expect(config).toMatchObject({ cost_aware: expect.any(Boolean), accuracy_floor: expect.any(Number) })
})
