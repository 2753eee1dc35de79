import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { listen, type SseListener } from '../support/sse-listener.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const whole = 'A whole answer.'
/** Long enough that all of them are asked, and the service killed, before any is answered. */
const upstreamDelayMs = 2_500
const beginning = ['A beginning', ...Array.from({ length: 11 }, (_, n) => ` and ${n}`)]
const pieceDelayMs = 250
const watchers = 3

let keel: Daemon
let upstream: Upstream
let sockets: WebSocket[]
/** What each of the /ws clients got, in order. */
let frames: Record<string, unknown>[][]

beforeEach(async () => {
  upstream = await startUpstream(({ body }) => {
    const messages = body.messages as { role: string; content: string }[]
    const last = messages.at(-1)
    if (last?.role === 'user' && last.content.includes('use a tool'))
      return { toolCalls: [{ name: 'list_directory', arguments: '{}' }] }
    // The first time it is asked, an early bird hears the beginning and waits for the rest.
    const isFirst =
      upstream.requests.filter((request) => JSON.stringify(request.body) === JSON.stringify(body)).length === 1
    if (isFirst && last?.content.includes('early')) return { chunks: beginning, chunkDelayMs: pieceDelayMs }
    return { text: whole, delayMs: isFirst ? upstreamDelayMs : 0 }
  })
  keel = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
  frames = []
  sockets = await Promise.all(Array.from({ length: watchers }, watch))
}, 30_000)

afterEach(async () => {
  for (const socket of sockets) socket.terminate()
  await keel.dispose()
  await upstream.close()
})

async function watch(): Promise<WebSocket> {
  const socket = new WebSocket(`${keel.url.replace('http', 'ws')}/ws`, { headers: { 'x-api-key': keel.apiKey } })
  const seen: Record<string, unknown>[] = []
  frames.push(seen)
  socket.on('message', (data) => seen.push(JSON.parse(String(data)) as Record<string, unknown>))
  await once(socket, 'open')
  return socket
}

async function pidOf(name: string): Promise<number> {
  const { services } = await keel.client.services.listServices()
  const pid = services.find((service) => service.name === name)?.pid
  if (!pid) throw new Error(`${name} has no process`)
  return pid
}

/** A session of its own with a name of its own: questions of one session wait for each other. */
async function agentBody(content: string) {
  const { id } = await keel.client.sessions.createSession({ body: { nickname: content } })
  return { content, session_id: id }
}
const completionBody = (content: string) => ({
  model: 'mock/test-model',
  messages: [{ role: 'user', content }],
  stream: true,
})

/** The text of an agent's stream, as its reader has it at the end. */
function agentText({ events }: SseListener): string {
  return (events as Record<string, unknown>[]).reduce((text, event) => {
    if (event.type === 'content_replaced') return String(event.content)
    return event.type === 'chunk' ? text + String(event.delta) : text
  }, '')
}

function completionText({ events }: SseListener): string {
  return (events as { choices?: { delta?: { content?: string } }[] }[])
    .map(({ choices }) => choices?.[0]?.delta?.content ?? '')
    .join('')
}

const errorsIn = ({ events }: SseListener) =>
  events.filter((event) => (event as { error?: unknown }).error !== undefined)

/** Every watcher is still there, got the same, and missed nothing. */
function expectNothingLost(): void {
  for (const socket of sockets) expect(socket.readyState).toBe(WebSocket.OPEN)
  for (const seen of frames) {
    const numbers = seen.flatMap(({ type, seq }) => (type !== 'connected' && typeof seq === 'number' ? [seq] : []))
    expect(numbers).toEqual(Array.from(numbers, (_, n) => (numbers[0] ?? 0) + n))
  }
}

test.each([
  ['inference', true],
  ['agent', false],
])('%s is killed while people listen', async (name, breaksCompletions) => {
  // Steady: everyone listens, some have heard a beginning, the others nothing yet.
  const early = {
    agent: await listen(keel, '/api/agent/message/stream', await agentBody('an early bird')),
    completion: await listen(keel, '/v1/chat/completions', completionBody('an early bird at the other door')),
  }
  await eventually(
    'both have heard a beginning',
    () => agentText(early.agent) !== '' && completionText(early.completion) !== '',
  )
  const late = {
    agent: listen(keel, '/api/agent/message/stream', await agentBody('a late one')),
    tool: listen(keel, '/api/agent/message/stream', await agentBody('a late one: use a tool')),
    completion: listen(keel, '/v1/chat/completions', completionBody('a late one at the other door')),
    blocking: keel.client.agent.sendMessage({ body: await agentBody('one who waits') }),
  }
  const answers = Promise.all([late.agent, late.tool, late.completion, late.blocking])
  answers.catch(() => {}) // Told where it is awaited; until then it must not end the test run.
  await upstream.received(6)

  // Broken.
  const killed = await pidOf(name)
  expect([agentText(early.agent), completionText(early.completion)]).not.toContain(beginning.join(''))
  process.kill(killed, 'SIGKILL')
  await Promise.all([early.agent.ended, early.completion.ended])
  expect(agentText(early.agent)).toBe(whole)
  expect(early.agent.events.at(-1)).toBe('[DONE]')
  if (breaksCompletions) {
    expect(errorsIn(early.completion)).toHaveLength(1)
    expect(early.completion.events).not.toContain('[DONE]')
  } else {
    expect(completionText(early.completion)).toBe(beginning.join(''))
    expect(early.completion.events.at(-1)).toBe('[DONE]')
  }
  const [agent, tool, completion, blocking] = await answers
  for (const listener of [agent, tool, completion]) {
    await listener.ended
    expect(errorsIn(listener)).toEqual([])
    expect(listener.events.at(-1)).toBe('[DONE]')
  }
  expect([agentText(agent), agentText(tool), completionText(completion), blocking.content]).toEqual(
    Array(4).fill(whole),
  )

  // Recovered, and whoever watches has seen it all.
  const { content } = await keel.client.agent.sendMessage({ body: await agentBody('one who comes afterwards') })
  expect(content).toBe(whole)
  const successor = await pidOf(name)
  expect(successor).not.toBe(killed)
  await eventually('everybody was told of the end and of the successor', () =>
    frames.every((seen) => {
      const changes = seen.filter(({ type, service }) => type === 'service_state_changed' && service === name)
      const end = changes.findIndex(({ state }) => state === 'backing_off')
      return end >= 0 && changes.slice(end).some(({ state, pid }) => state === 'ready' && pid === successor)
    }),
  )
  expectNothingLost()
})
