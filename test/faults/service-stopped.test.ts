import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, isAlive, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream(({ body }) => {
    const last = (body.messages as { role: string; content: string }[]).at(-1)
    return last?.role === 'user' && last.content.includes('list')
      ? { toolCalls: [{ name: 'list_directory', arguments: '{}' }] }
      : { text: 'Well answered.' }
  })
  keel = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

async function processOf(name: string) {
  const { services } = await keel.client.services.listServices()
  const service = services.find((candidate) => candidate.name === name)
  if (!service?.pid) throw new Error(`${name} has no process`)
  return { ...service, pid: service.pid }
}

const ask = (content: string) => keel.client.agent.sendMessage({ body: { content } })

// A hot service is missed after a second, any other after three.
test.each([
  ['inference', 'hello', 2_500],
  ['agent', 'hello', 2_500],
  ['tools', 'list the files', 5_500],
])(
  '%s is stopped in its tracks: it is noticed, replaced, and who waited is answered',
  async (name, question, withinMs) => {
    // Steady.
    expect((await ask(`${question}, steady`)).content).toBe('Well answered.')
    const stopped = await processOf(name)
    // Broken: the process is there and says nothing.
    process.kill(stopped.pid, 'SIGSTOP')
    const stoppedAt = Date.now()
    const waiting = ask(`${question}, broken`)
    await eventually('the stopped process is gone', () => !isAlive(stopped.pid), withinMs + 1_500)
    expect((await waiting).content).toBe('Well answered.')
    expect(Date.now() - stoppedAt).toBeLessThan(withinMs + 3_000)
    // Recovered.
    const next = await processOf(name)
    expect(next).toMatchObject({
      state: 'ready',
      generation: stopped.generation + 1,
      last_error: expect.stringContaining('no answer to'),
    })
    expect((await ask(`${question}, recovered`)).content).toBe('Well answered.')
  },
  30_000,
)
