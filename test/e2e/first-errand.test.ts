import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, isAlive, startDaemon } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/*
 * A person's whole first errand, by the README's own command in a fresh home. Each step builds on those before it.
 */

let keel: Daemon
let upstream: Upstream
const children = new Set<number>()

async function ask(content: string) {
  return keel.client.agent.sendMessage({ body: { content } })
}

async function rememberChildren() {
  const { services } = await keel.client.services.listServices()
  for (const { pid } of services) if (pid !== null) children.add(pid)
  return services
}

beforeAll(async () => {
  upstream = await startUpstream({ text: 'The answer of the model.' })
  keel = await startDaemon({ command: 'npm' })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

test('it is up, says so, and has no warning to read', async () => {
  const health = await keel.client.health.getHealth()
  expect(health).toMatchObject({
    status: 'ok',
    agent: 'Keel',
    models: { primary: 'keel/offline', current: 'keel/offline' },
  })
  expect(keel.output()).toContain('Keel 0.1.0 is up.')
  expect(keel.output()).not.toMatch(/warn/i)
})

test('without a provider the built-in model answers, says what it is and how to add one', async () => {
  const answer = await ask('What is Rust?')
  expect(answer.model).toBe('keel/offline')
  expect(answer.content).toContain('no language model')
  expect(answer.content).toContain('keel provider add')
  expect(answer.cost).toBe(0)
})

test('a provider is added over the API, with a key that is never shown', async () => {
  const update = await keel.client.config.updateConfig({
    body: {
      models: { primary: 'mock/test-model' },
      // The scripted model answers what it is asked next, whoever asks.
      memory: { extract_by_model: false },
      providers: { mock: { url: upstream.url, format: 'openai', models: ['test-model'] } },
    },
  })
  expect(update).toMatchObject({ updated: true, persisted: true, ignored_keys: [] })
  const stored = await keel.client.providers.setProviderKey({
    params: { name: 'mock' },
    body: { api_key: 'sk-secret-of-the-test' },
  })
  expect(stored).toMatchObject({ stored: true, provider: 'mock', keystore_entry: 'mock_api_key' })
  const shown = await (await keel.fetch('/api/config')).text()
  expect(shown).not.toContain('sk-secret-of-the-test')
  expect(JSON.parse(shown)).toMatchObject({
    providers: { mock: { _key_status: 'configured', _key_source: 'keystore' } },
  })
})

test('the provider answers, with the key and the conversation so far', async () => {
  const answer = await ask('And who are you?')
  expect(answer).toMatchObject({
    content: 'The answer of the model.',
    model: 'mock/test-model',
    tokens_in: 11,
    tokens_out: 7,
  })
  const request = upstream.requests.at(-1)
  expect(request?.headers.authorization).toBe('Bearer sk-secret-of-the-test')
  expect(JSON.stringify(request?.body)).toContain('What is Rust?')
})

test('an answer streams, its deltas being the stored text', async () => {
  upstream.script({ chunks: ['One ', 'two ', 'three.'], chunkDelayMs: 5 })
  const events = []
  for await (const event of keel.client.agent.streamMessage.stream({ body: { content: 'Count to three' } }))
    events.push(event)
  const deltas = events.flatMap((event) => (event.type === 'chunk' ? [event.delta] : []))
  const end = events.at(-1)
  expect(events[0]).toMatchObject({ type: 'stream_start' })
  expect(deltas.join('')).toBe('One two three.')
  expect(end).toMatchObject({ type: 'stream_end', content: 'One two three.', tokens_out: 7, content_blocked: false })
})

test('the agent uses a tool and everything about it can be looked up', async () => {
  upstream.script([
    { toolCalls: [{ name: 'write_file', arguments: '{"path":"notes/a.txt","content":"buy milk"}' }] },
    { toolCalls: [{ name: 'read_file', arguments: '{"path":"notes/a.txt"}' }] },
    { text: 'Your note says: buy milk' },
  ])
  const answer = await ask('Note that I must buy milk, then read it back')
  expect(answer.content).toBe('Your note says: buy milk')
  expect(answer.tools_used).toEqual(['write_file', 'read_file'])
  expect(answer.react_turns).toBe(2)
  expect(JSON.stringify(upstream.requests.at(-1)?.body)).toContain('buy milk')

  const { turn_id } = answer
  const { tool_calls } = await keel.client.turns.listTurnTools({ params: { id: turn_id } })
  expect(tool_calls.map(({ tool_name, status }) => [tool_name, status])).toEqual([
    ['write_file', 'success'],
    ['read_file', 'success'],
  ])
  const turn = await keel.client.turns.getTurn({ params: { id: turn_id } })
  expect(turn).toMatchObject({ status: 'ok', tokens_in: 33, tokens_out: 21, model: 'mock/test-model' })
  const context = await keel.client.turns.getTurnContext({ params: { id: turn_id } })
  expect(context.snapshot).toBe(true)
  expect(context.total_tokens).toBeLessThanOrEqual(context.token_budget)
  const selection = await keel.client.turns.getTurnModelSelection({ params: { id: turn_id } })
  expect(selection).toMatchObject({
    selected_model: 'mock/test-model',
    executed_model: 'mock/test-model',
    fallback: false,
  })
  const { decisions } = await keel.client.audit.listPolicyDecisions({ params: { turn_id } })
  expect(decisions.map(({ decision }) => decision)).toEqual(['allow', 'allow'])
  await eventually('three cost rows', async () => {
    const { costs } = await keel.client.stats.listCosts({})
    return costs.filter((cost) => cost.turn_id === turn_id).length === 3
  })
})

test('the history is whole and in order, and each answer has its turn', async () => {
  const { sessions } = await keel.client.sessions.listSessions({})
  expect(sessions).toHaveLength(1)
  const id = sessions[0]?.id ?? ''
  const { messages } = await keel.client.sessions.listMessages({ params: { id } })
  expect(messages.map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'user',
    'assistant',
    'user',
    'assistant',
    'user',
    'assistant',
  ])
  const { turns } = await keel.client.turns.listSessionTurns({ params: { id } })
  const answers = messages.filter(({ role }) => role === 'assistant')
  expect(turns.map(({ assistant_message_id }) => assistant_message_id)).toEqual(answers.map(({ id }) => id))
})

test('each service is restarted by the API, and the conversation goes on', async () => {
  upstream.script({ text: 'Still here.' })
  for (const { name, generation } of await rememberChildren()) {
    const { service } = await keel.client.services.restartService({ params: { name } })
    expect(service).toMatchObject({ name, state: 'ready', generation: generation + 1 })
    expect((await ask(`Are you there after ${name}?`)).content).toBe('Still here.')
  }
  await rememberChildren()
})

test('it stops with exit code 0 and leaves no process', async () => {
  expect(children.size).toBeGreaterThanOrEqual(6)
  expect(await keel.stop('SIGTERM')).toBe(0)
  expect([...children].filter(isAlive)).toEqual([])
  expect(isAlive(keel.pid)).toBe(false)
})
