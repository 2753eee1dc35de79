import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { api } from '#sdk/api.ts'
import { openApiDocument } from '#sdk/openapi.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'

let keel: Daemon
beforeAll(async () => {
  keel = await startDaemon()
}, 30_000)
afterAll(() => keel.dispose())

test('health needs no key and has what clients read', async () => {
  const answer = await fetch(`${keel.url}/api/health`)
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({
    status: 'ok',
    version: '0.1.0',
    agent: 'Keel',
    uptime_seconds: expect.any(Number),
    models: { primary: 'keel/offline', current: 'keel/offline', fallbacks: [] },
    checks: {
      database: 'ok',
      services: { inference: expect.any(String), agent: expect.any(String), tools: expect.any(String) },
    },
  })
})

test('the page at / is one document, public, and needs no script', async () => {
  const answer = await fetch(keel.url)
  expect(answer.headers.get('content-type')).toContain('text/html')
  const page = await answer.text()
  expect(page).toMatch(/^<!DOCTYPE html>[\s\S]*<\/html>\s*$/)
  expect(page).not.toMatch(/<script|keel_/)
  expect((await fetch(`${keel.url}/favicon.ico`)).status).toBe(204)
})

test('the API describes itself', async () => {
  expect(await keel.client.shell.getOpenApi()).toEqual(
    JSON.parse(JSON.stringify(openApiDocument(api, { version: '0.1.0' }))),
  )
})

describe('services', () => {
  test('are listed with what an operator asks for', async () => {
    const { services, count } = await keel.client.services.listServices()
    expect(count).toBe(8)
    expect(services.map(({ name, lazy }) => [name, lazy])).toEqual([
      ['inference', false],
      ['agent', false],
      ['memory', false],
      ['scheduler', false],
      ['channels', true],
      ['browser', true],
      ['tools', true],
      ['sandbox', true],
    ])
  })

  test('a restart gives a new process, and is announced', async () => {
    const { last_seq: since } = await keel.client.events.listEvents({ query: { limit: 1000 } })
    const before = (await keel.client.services.listServices()).services.find(({ name }) => name === 'agent')
    const { service } = await keel.client.services.restartService({ params: { name: 'agent' } })
    expect(service).toMatchObject({ state: 'ready', generation: (before?.generation ?? 0) + 1 })
    expect(service.pid).not.toBe(before?.pid)
    await expect(keel.client.services.restartService({ params: { name: 'nobody' } })).rejects.toMatchObject({
      kind: 'not_found',
      message: "service 'nobody' not found",
    })
    const { events } = await keel.client.events.listEvents({ query: { since, types: 'service_state_changed' } })
    expect(events).toContainEqual(
      expect.objectContaining({ service: 'agent', state: 'ready', pid: service.pid, generation: service.generation }),
    )
  })
})

describe('logs', () => {
  test('are filtered before they are counted, by the least level', async () => {
    const { entries } = await keel.client.logs.listLogs({ query: { lines: 500 } })
    expect(entries.map(({ message }) => message)).toContain('Keel is up')
    const warnings = await keel.client.logs.listLogs({ query: { lines: 5, level: 'warn' } })
    expect(warnings.entries.every(({ level }) => level === 'warn' || level === 'error')).toBe(true)
    expect((await keel.client.logs.listLogs({ query: { q: 'no such words anywhere' } })).entries).toEqual([])
  })

  test('are followed as they are written', async () => {
    const pid = (await keel.client.services.listServices()).services.find(({ name }) => name === 'agent')?.pid
    if (!pid) throw new Error('the agent has no process')
    const seen: string[] = []
    for await (const entry of keel.client.logs.listLogs.stream({ query: { follow: true, lines: 1 } })) {
      seen.push(entry.message)
      if (seen.length === 1) process.kill(pid, 'SIGKILL')
      if (entry.message === 'a service process is gone') break
    }
    expect(seen.at(-1)).toBe('a service process is gone')
  })
})

describe('events', () => {
  async function open(query: string): Promise<{ socket: WebSocket; frames: Record<string, unknown>[] }> {
    const { ticket, expires_in } = await keel.client.events.createTicket()
    expect(ticket).toMatch(/^wst_[0-9a-f]{64}$/)
    expect(expires_in).toBe(30)
    const socket = new WebSocket(`${keel.url.replace('http', 'ws')}/ws?ticket=${ticket}${query}`)
    const frames: Record<string, unknown>[] = []
    socket.on('message', (data) => frames.push(JSON.parse(String(data)) as Record<string, unknown>))
    await once(socket, 'open')
    return { socket, frames }
  }

  async function until(
    frames: Record<string, unknown>[],
    socket: WebSocket,
    type: string,
  ): Promise<Record<string, unknown>> {
    for (;;) {
      const found = frames.find((frame) => frame.type === type)
      if (found) return found
      await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })
    }
  }

  test('arrive numbered, and who comes back is sent what was missed, once', async () => {
    const first = await open('')
    const { seq, epoch } = await until(first.frames, first.socket, 'connected')
    await keel.client.sessions.createSession({ body: { agent_id: 'seen' } })
    await until(first.frames, first.socket, 'session_created')
    first.socket.terminate()
    await keel.client.sessions.createSession({ body: { agent_id: 'missed' } })
    const again = await open(`&since=${String(seq)}&epoch=${String(epoch)}`)
    await keel.client.sessions.createSession({ body: { agent_id: 'live' } })
    const created = () => again.frames.filter(({ type }) => type === 'session_created').map(({ agent_id }) => agent_id)
    while (created().length < 3) await once(again.socket, 'message', { signal: AbortSignal.timeout(5_000) })
    expect(created()).toEqual(['seen', 'missed', 'live'])
    const numbers = again.frames.flatMap(({ type, seq }) => (type === 'connected' ? [] : [Number(seq)]))
    expect(numbers).toEqual([...numbers].sort((left, right) => left - right))
    expect(new Set(numbers).size).toBe(numbers.length)
    again.socket.terminate()
  })

  test('a ticket is good once', async () => {
    const { ticket } = await keel.client.events.createTicket()
    const url = `${keel.url.replace('http', 'ws')}/ws?ticket=${ticket}`
    const socket = new WebSocket(url)
    await once(socket, 'open')
    socket.terminate()
    const again = new WebSocket(url)
    const [, response] = (await once(again, 'unexpected-response')) as [unknown, { statusCode: number }]
    expect(response.statusCode).toBe(401)
  })

  test('a topic is shown at once and again when it changes', async () => {
    const { socket, frames } = await open('')
    socket.send(JSON.stringify({ type: 'subscribe', topics: ['sessions', 'services'] }))
    expect(await until(frames, socket, 'sessions.snapshot')).toHaveProperty('data.sessions')
    expect(await until(frames, socket, 'services.snapshot')).toHaveProperty('data.services')
    await until(frames, socket, 'subscribed')
    await keel.client.sessions.createSession({ body: { agent_id: 'watched' } })
    const { data } = (await until(frames, socket, 'sessions.changed')) as { data: { sessions: { agent_id: string }[] } }
    expect(data.sessions.map(({ agent_id }) => agent_id)).toContain('watched')
    socket.send('anything else')
    await until(frames, socket, 'ack')
    socket.terminate()
  })
})
