import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Daemon, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream({ text: 'An answer.' })
  keel = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

beforeEach(() => keel.client.breaker.resetBreaker({ params: { provider: 'mock' } }))

const say = async (content: string) => (await keel.client.agent.sendMessage({ body: { content } })).content

test('the status has the words that scripts look for', async () => {
  const status = await say('/status')
  for (const words of ['version: v', 'taskable subagents', 'subagent taskability', 'subagents: '])
    expect(status).toContain(words)
})

test('an open breaker is shown, and closed by its name or with all others', async () => {
  const open = () => keel.client.breaker.openBreaker({ params: { provider: 'mock' } })
  await open()
  expect(await say('/breaker')).toMatch(/mock: open/i)
  expect(await say('/breaker reset')).toBe('Reset 1 circuit breaker(s).')
  await open()
  expect(await say('/breaker reset mock')).toContain("'mock' reset to closed")
  expect(await say('/breaker reset nobody')).toContain('Unknown provider')
  expect((await keel.client.breaker.getBreakerStatus()).note).toBe('closed')
})

test('a command may name the bot and be in capitals; what is none is for the model', async () => {
  expect(await say('/help@keel_bot')).toContain('/status')
  expect(await say('/HELP')).toContain('/status')
  for (const content of ['/unknown', '/help me, please', '/model of a modern general']) {
    const asked = upstream.requests.length
    expect(await say(content)).toBe('An answer.')
    expect(upstream.requests.length).toBeGreaterThan(asked)
  }
})

test('/retry says the last answer again, and asks nobody', async () => {
  await say('What is Rust?')
  const asked = upstream.requests.length
  expect(await say('/retry')).toBe('An answer.')
  expect(upstream.requests).toHaveLength(asked)
})

test('/clear is another way to put the model back', async () => {
  expect(await say('/model mock/test-model')).toContain('override set')
  expect(await say('/model clear')).toContain('cleared')
  expect(await say('/model')).toContain('no override set')
})

test('a command streams as any answer does, and both sides of it are kept with a turn', async () => {
  const { id } = await keel.client.sessions.createSession({ body: { nickname: 'Commands' } })
  const events = []
  for await (const event of keel.client.agent.streamMessage.stream({ body: { content: '/models', session_id: id } }))
    events.push(event)
  expect(events.map(({ type }) => type)).toEqual(['stream_start', 'chunk', 'stream_end'])
  expect(events.at(-1)).toMatchObject({ model: 'command', cost: 0, session_id: id })
  const { messages } = await keel.client.sessions.listMessages({ params: { id } })
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
  const { turns } = await keel.client.turns.listSessionTurns({ params: { id } })
  expect(turns).toMatchObject([{ model: 'command', status: 'ok', id: messages[1]?.turn_id, cost: 0 }])
})

test('what a sender may not command is refused, with the authority that it takes', async () => {
  const worth = (api_authority: string) => keel.client.config.updateConfig({ body: { security: { api_authority } } })
  await worth('Peer')
  expect(await say('/status')).toContain('version: v')
  for (const command of ['/model mock/test-model', '/model reset', '/breaker reset'])
    expect(await say(command)).toContain('requires Creator authority')
  await worth('External')
  expect(await say('/status')).toContain('requires Peer authority')
  expect(await say('/model')).toContain('no override set')
  await worth('Creator')
  expect(await say('/model reset')).toContain('cleared')
})

test('a call that waits is decided by a word; one that does not, or is decided, is said to be', async () => {
  const id = '0b5f7a52-1c1e-4b53-9d39-6f1d0f5a3c11'
  expect(await say(`/approve ${id}`)).toBe(`Approval request ${id} not found.`)
  expect(await say(`/deny ${id}`)).toBe(`Approval request ${id} not found.`)
})
