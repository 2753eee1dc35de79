import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream
let home: string
let turn_id: string

const listing = { toolCalls: [{ name: 'list_directory', arguments: '{}' }] }
const writing = { toolCalls: [{ name: 'write_file', arguments: '{"path":"note.txt","content":"milk"}' }] }
const words = { text: 'Nothing is there.' }

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  upstream = await startUpstream()
  keel = await startDaemon({ home, config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
  const { id: session_id } = await keel.client.sessions.createSession({ body: { nickname: 'Faults' } })
  upstream.script([listing, words])
  turn_id = (await keel.client.agent.sendMessage({ body: { content: 'what is there?', session_id } })).turn_id
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

function replay() {
  return keel.client.turns.replayTurn({ params: { id: turn_id } })
}

async function kill(name: string) {
  const { services } = await keel.client.services.listServices()
  process.kill(services.find((service) => service.name === name)?.pid ?? 0, 'SIGKILL')
}

/** How the calls of a replay went, once it is over. */
async function outcome(report: ReturnType<typeof replay>) {
  const { status, content, steps } = (await report).replay
  return [status, content, ...steps.map((step) => (step.kind === 'model' ? 'model' : step.answered))]
}

const whole = ['ok', words.text, 'model', 'recorded', 'model']

test.each(['agent', 'inference'])(
  'the %s service dies while the model thinks: the replay goes on, and asks again only what was not answered',
  async (name) => {
    upstream.script([listing, words])
    expect(await outcome(replay())).toEqual(whole)

    const asked = upstream.requests.length
    const thinks = Promise.withResolvers<void>()
    upstream.script([listing, { ...words, until: thinks.promise }, words])
    const broken = replay()
    await expect.poll(() => upstream.requests.length).toBe(asked + 2)
    await kill(name)
    expect(await outcome(broken)).toEqual(whole)
    expect(upstream.requests).toHaveLength(asked + 3)
    thinks.resolve()

    upstream.script([listing, words])
    expect(await outcome(replay())).toEqual(whole)
  },
)

test('a tool that is asked for when its agent dies has not run, and does not afterwards', async () => {
  const asked = upstream.requests.length
  const thinks = Promise.withResolvers<void>()
  upstream.script([writing, { ...words, until: thinks.promise }, words])
  const broken = replay()
  await expect.poll(() => upstream.requests.length).toBe(asked + 2)
  await kill('agent')
  expect(await outcome(broken)).toEqual(['ok', words.text, 'model', 'simulated', 'model'])
  thinks.resolve()
  expect(existsSync(join(home, 'workspace', 'note.txt'))).toBe(false)
  const { tool_calls } = await keel.client.turns.listTurnTools({ params: { id: turn_id } })
  expect(tool_calls.map(({ tool_name }) => tool_name)).toEqual(['list_directory'])
})

test('a stop of Keel ends a replay with a clear word, and costs no time', async () => {
  const asked = upstream.requests.length
  upstream.script({ fault: 'hang' })
  const broken = replay().catch((error: unknown) => error)
  await expect.poll(() => upstream.requests.length).toBe(asked + 1)
  expect(await keel.stop()).toBe(0)
  expect(await broken).toMatchObject({ kind: 'unavailable', message: 'Keel is stopping' })

  keel = await startDaemon({ home })
  upstream.script([listing, words])
  expect(await outcome(replay())).toEqual(whole)
})
