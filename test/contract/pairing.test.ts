import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Daemon, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/*
 * Clients put the n-th turn beside the n-th assistant message of a list, or follow `turn_id`: both have to work.
 */

let keel: Daemon
let upstream: Upstream
let id: string

beforeAll(async () => {
  upstream = await startUpstream()
  keel = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

beforeEach(async () => {
  upstream.script({ text: 'An answer.' })
  ;({ id } = await keel.client.sessions.createSession({ body: { nickname: 'Pairs' } }))
})

const append = (role: 'user' | 'assistant', content: string) =>
  keel.client.sessions.appendMessage({ params: { id }, body: { role, content } })
const messagesOf = async (query = {}) => (await keel.client.sessions.listMessages({ params: { id }, query })).messages
const turnsOf = async (query = {}) => (await keel.client.turns.listSessionTurns({ params: { id }, query })).turns
const pairsOf = async () => {
  const answers = (await messagesOf()).filter(({ role }) => role === 'assistant')
  return answers.map((message) => ({ id: message.turn_id, assistant_message_id: message.id }))
}

test('of three hundred messages any window ends where it should, and its answers lead to their turns', async () => {
  for (let i = 0; i < 150; i++) {
    await append('user', `question ${i}`)
    await append('assistant', `answer ${i}`)
  }
  const contents = (messages: { content: string }[]) => messages.map(({ content }) => content)
  const all = Array.from({ length: 150 }, (_, i) => [`question ${i}`, `answer ${i}`]).flat()
  expect(contents(await messagesOf())).toEqual(all.slice(100))
  const window = await messagesOf({ limit: 50, offset: 50 })
  expect(contents(window)).toEqual(all.slice(200, 250))
  const answers = window.filter(({ role }) => role === 'assistant')
  expect((await turnsOf({ limit: 25, offset: 25 })).map((turn) => turn.id)).toEqual(
    answers.map(({ turn_id }) => turn_id),
  )
  expect(await turnsOf()).toHaveLength(150)
}, 20_000)

test('what is appended and commanded while a turn runs comes before its answer, also among the turns', async () => {
  upstream.script({ text: 'The late answer.', delayMs: 700 })
  const waiting = keel.client.agent.sendMessage({ body: { content: 'take your time', session_id: id } })
  await upstream.received(1)
  expect(await turnsOf()).toEqual([])
  await append('assistant', 'An aside.')
  await keel.client.agent.sendMessage({ body: { content: '/models', session_id: id } })
  const { turn_id } = await waiting
  const pairs = await pairsOf()
  expect(pairs.at(-1)?.id).toBe(turn_id)
  expect((await turnsOf()).map(({ id, assistant_message_id }) => ({ id, assistant_message_id }))).toEqual(pairs)
})

test('a turn that failed has its apology, and pairs like the others', async () => {
  await keel.client.agent.sendMessage({ body: { content: 'first', session_id: id } })
  upstream.script({ status: 500 })
  await keel.client.agent.sendMessage({ body: { content: 'second', session_id: id } })
  upstream.script({ text: 'Back.' })
  await keel.client.breaker.resetBreaker({ params: { provider: 'mock' } })
  await keel.client.agent.sendMessage({ body: { content: 'third', session_id: id } })
  const turns = await turnsOf()
  expect(turns.map(({ status }) => status)).toEqual(['ok', 'error', 'ok'])
  expect(turns.map(({ id, assistant_message_id }) => ({ id, assistant_message_id }))).toEqual(await pairsOf())
})

test('an archived session goes on: active again where its scope is free, as it is where another took its place', async () => {
  const say = () => keel.client.agent.sendMessage({ body: { content: 'are you there?', session_id: id } })
  const status = async () => (await keel.client.sessions.getSession({ params: { id } })).status
  await keel.client.sessions.archiveSession({ params: { id } })
  expect((await say()).session_id).toBe(id)
  expect(await status()).toBe('active')
  const other = await keel.client.sessions.createSession({ body: { nickname: 'Other' } })
  expect(await status()).toBe('archived')
  expect((await say()).session_id).toBe(id)
  expect(await status()).toBe('archived')
  expect((await keel.client.sessions.getSession({ params: { id: other.id } })).status).toBe('active')
})
