import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const callers = 16
const kills = 5
const betweenKillsMs = 400

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  // A question that asks for it makes the model use a tool first.
  upstream = await startUpstream(({ body }) => {
    const last = (body.messages as { role: string; content: string }[]).at(-1)
    if (last?.role === 'user' && last.content.includes('use a tool'))
      return { toolCalls: [{ name: 'list_directory', arguments: '{}' }] }
    return { text: 'Well answered.', delayMs: 20 }
  })
  keel = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

async function pidOf(name: string): Promise<number | null> {
  const { services } = await keel.client.services.listServices()
  return services.find((service) => service.name === name)?.pid ?? null
}

/** One caller: a session of its own, questions one after the other, by three doors in turn. */
async function keepAsking(caller: number, until: () => boolean, answers: string[]) {
  const { id } = await keel.client.sessions.createSession({ body: { scope: `caller-${caller}` } })
  for (let n = 0; !until(); n++) {
    if (n % 3 === 0) {
      const completion = await keel.client.compat.createChatCompletion({
        body: { model: 'mock/test-model', messages: [{ role: 'user', content: `question ${caller}.${n}` }] },
      })
      answers.push(String(completion.choices[0]?.message.content))
    } else {
      const content = n % 3 === 1 ? `question ${caller}.${n}` : `question ${caller}.${n}: use a tool`
      const answer = await keel.client.agent.sendMessage({ body: { content, session_id: id } })
      expect(answer.tool_calls.map(({ status }) => status)).toEqual(n % 3 === 1 ? [] : ['success'])
      answers.push(answer.content)
    }
  }
}

test.each(['inference', 'agent', 'tools'])(
  'while the %s service is killed again and again, no caller notices',
  async (name) => {
    const answers: string[] = []
    let over = false
    const load = Promise.all(Array.from({ length: callers }, (_, caller) => keepAsking(caller, () => over, answers)))
    // Steady.
    await eventually('answers before the first kill', () => answers.length >= callers)
    // Broken, again and again.
    const killed = new Set<number>()
    for (let i = 0; i < kills; i++) {
      await eventually(`a process of ${name}`, async () => ((await pidOf(name)) ?? 0) > 0)
      const pid = await pidOf(name)
      if (pid === null) continue
      killed.add(pid)
      process.kill(pid, 'SIGKILL')
      await delay(betweenKillsMs)
    }
    expect(killed.size).toBe(kills)
    // Recovered: under the same load, and with no failure on the way.
    const sofar = answers.length
    await eventually('answers after the last kill', () => answers.length >= sofar + callers)
    over = true
    await load
    expect(new Set(answers)).toEqual(new Set(['Well answered.']))
    await eventually(`${name} is ready`, async () => {
      const { services } = await keel.client.services.listServices()
      return services.every(({ state }) => state === 'ready')
    })
    expect((await keel.client.health.getHealth()).status).toBe('ok')
  },
  60_000,
)
