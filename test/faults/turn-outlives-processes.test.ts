import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Daemon, eventually, isAlive, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream
let home: string

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  upstream = await startUpstream({ text: 'Well answered.' })
  keel = await startDaemon({ home, config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
  // A session with a name of its own: no model is asked for one in the middle of a script.
  await keel.client.sessions.createSession({ body: { nickname: 'Faults' } })
}, 30_000)

afterEach(async () => {
  await keel.dispose()
  await upstream.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

function ask(content: string) {
  return keel.client.agent.sendMessage({ body: { content } })
}

async function pidOf(name: string): Promise<number> {
  const { services } = await keel.client.services.listServices()
  const pid = services.find((service) => service.name === name)?.pid
  if (!pid) throw new Error(`${name} has no process`)
  return pid
}

const writeNote = {
  toolCalls: [{ name: 'write_file', arguments: '{"path":"note.txt","content":"milk\\n","append":true}' }],
}
const note = () => readFileSync(join(home, 'workspace', 'note.txt'), 'utf8')

test('the agent dies while the model thinks: the waiting caller gets the answer', async () => {
  expect((await ask('steady?')).content).toBe('Well answered.')
  upstream.script([{ text: 'Late, but here.', delayMs: 600 }, { text: 'Late, but here.' }])
  const waiting = ask('broken?')
  await upstream.received(2)
  process.kill(await pidOf('agent'), 'SIGKILL')
  const answer = await waiting
  expect(answer.content).toBe('Late, but here.')
  const turn = await keel.client.turns.getTurn({ params: { id: answer.turn_id } })
  expect(turn.status).toBe('ok')
  upstream.script({ text: 'Well answered.' })
  expect((await ask('recovered?')).content).toBe('Well answered.')
})

test('the agent dies after a tool has run: the tool does not run again', async () => {
  upstream.script([writeNote, { text: 'Noted.', delayMs: 600 }, { text: 'Noted.' }])
  const waiting = ask('note milk')
  await upstream.received(2)
  expect(note()).toBe('milk\n')
  process.kill(await pidOf('agent'), 'SIGKILL')
  const answer = await waiting
  expect(answer.content).toBe('Noted.')
  expect(answer.tool_calls.map(({ status }) => status)).toEqual(['success'])
  expect(note()).toBe('milk\n')
})

test('the inference service dies in the middle of a streamed answer: the listener ends with one whole answer', async () => {
  upstream.script([
    { chunks: ['This is the first try that never ends. ', 'More. ', 'More. '], chunkDelayMs: 400 },
    { text: 'The second try.' },
  ])
  let heard = ''
  const stream = keel.client.agent.streamMessage.stream({ body: { content: 'stream, please' } })
  let end: { content: string } | undefined
  for await (const event of stream) {
    if (event.type === 'chunk') {
      if (heard === '') process.kill(await pidOf('inference'), 'SIGKILL')
      heard += event.delta
    }
    if (event.type === 'content_replaced') heard = event.content
    if (event.type === 'stream_end') end = event
  }
  expect(end?.content).toBe('The second try.')
  expect(heard).toBe('The second try.')
})

test('the tools service dies inside a tool that may not run twice: the model is told that nobody knows', async () => {
  upstream.script([writeNote, { text: 'First noted.' }])
  await ask('note milk')
  const tools = await pidOf('tools')
  upstream.script([writeNote, { text: 'I do not know whether it worked.' }])
  process.kill(tools, 'SIGSTOP')
  const waiting = ask('note milk again')
  await eventually('the call is under way', async () => {
    const { services } = await keel.client.services.listServices()
    return services.some(({ name, calls_in_flight }) => name === 'tools' && calls_in_flight > 0)
  })
  process.kill(tools, 'SIGKILL')
  const answer = await waiting
  expect(answer.tool_calls.map(({ status }) => status)).toEqual(['unknown'])
  expect(JSON.stringify(upstream.requests.at(-1)?.body)).toContain('nobody knows whether it took effect')
  expect(note()).toBe('milk\n')
  upstream.script([writeNote, { text: 'Noted again.' }])
  const recovered = await ask('note milk once more')
  expect(recovered.tool_calls.map(({ status }) => status)).toEqual(['success'])
  expect(note()).toBe('milk\nmilk\n')
})

test('the kernel dies in the middle of a turn: the next one finishes what was accepted', async () => {
  upstream.script([writeNote, { text: 'Noted.', delayMs: 5_000 }, { text: 'Noted after all.' }])
  const lost = ask('note milk').catch((error: unknown) => error)
  await upstream.received(2)
  const children = await Promise.all(['agent', 'inference', 'tools'].map(pidOf))
  await keel.stop('SIGKILL')
  expect(await lost).toBeInstanceOf(Error)
  await eventually('no child outlives its kernel', () => !children.some(isAlive))

  keel = await startDaemon({ home })
  const { sessions } = await keel.client.sessions.listSessions({})
  const id = sessions[0]?.id ?? ''
  await eventually('the answer', async () => {
    const { messages } = await keel.client.sessions.listMessages({ params: { id } })
    return messages.length === 2 && messages[1]?.content === 'Noted after all.'
  })
  expect(note()).toBe('milk\n')
  const { turns } = await keel.client.turns.listSessionTurns({ params: { id } })
  expect(turns).toMatchObject([{ status: 'ok', react_turns: 1 }])
}, 40_000)

test('a caller who hangs up ends the turn, and the model is let go', async () => {
  upstream.script({ text: 'Never heard.', delayMs: 20_000 })
  const abort = new AbortController()
  const hungUp = keel.client.agent
    .sendMessage({ body: { content: 'never mind' }, signal: abort.signal })
    .catch((error: unknown) => error)
  await upstream.received(1)
  abort.abort()
  await hungUp
  expect(await upstream.requests[0]?.ended).toBe('aborted')
  const { sessions } = await keel.client.sessions.listSessions({})
  await eventually('the turn is over', async () => {
    const { turns } = await keel.client.turns.listSessionTurns({ params: { id: sessions[0]?.id ?? '' } })
    return turns.length === 1 && turns[0]?.status === 'interrupted'
  })
  upstream.script({ text: 'Well answered.' })
  expect((await ask('and now?')).content).toBe('Well answered.')
})

test('a turn is stopped on request', async () => {
  upstream.script({ chunks: ['Going ', 'on ', 'and ', 'on '], chunkDelayMs: 3_000 })
  const waiting = ask('talk for long')
  await upstream.received(1)
  const { messages } = await keel.client.sessions.listMessages({
    params: { id: (await keel.client.sessions.listSessions({})).sessions[0]?.id ?? '' },
  })
  const turnId = messages[0]?.turn_id ?? ''
  expect(await keel.client.turns.cancelTurn({ params: { id: turnId } })).toEqual({ turn_id: turnId, cancelled: true })
  await waiting
  expect(await keel.client.turns.getTurn({ params: { id: turnId } })).toMatchObject({ status: 'interrupted' })
  expect(await keel.client.turns.cancelTurn({ params: { id: turnId } })).toEqual({ turn_id: turnId, cancelled: false })
})
