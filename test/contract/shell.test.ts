import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'

let keel: Daemon
beforeAll(async () => {
  keel = await startDaemon({ config: '[agent]\nname = "<b>Gurney</b>"\n' })
}, 30_000)
afterAll(() => keel.dispose())

test('the front page shows names as text, holds no key and may not be framed', async () => {
  const answer = await fetch(keel.url)
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'self'")
  expect(answer.headers.get('x-frame-options')).toBe('DENY')
  const page = await answer.text()
  expect(page.match(/<\/html>/g)).toHaveLength(1)
  expect(page).not.toContain(keel.apiKey)
  expect(page).not.toContain('<b>Gurney')
  expect(page).toContain('Gurney')
})

test('the description of the API needs the key', async () => {
  const answer = await fetch(`${keel.url}/openapi.json`)
  expect(answer.status).toBe(401)
  expect(await answer.json()).toEqual({ error: 'unauthorized', message: 'Valid API key required' })
})

test.each(['/api/sessions/backfill-nicknames', '/api/breaker/reset/keel', '/api/ws-ticket'])(
  '%s takes no body, an empty one and an empty object',
  async (path) => {
    const json = { 'content-type': 'application/json' }
    for (const init of [{}, { headers: json }, { headers: json, body: '' }, { headers: json, body: '{}' }]) {
      expect((await keel.fetch(path, { method: 'POST', ...init })).status).toBe(200)
    }
  },
)

test('lines of the log are counted as well as may be: what is no number or level counts as absent', async () => {
  for (const query of ['lines=many', 'lines=0', 'lines=99999999', 'level=loud', 'level=']) {
    const answer = await keel.fetch(`/api/logs?${query}`)
    expect(answer.status, query).toBe(200)
    expect(((await answer.json()) as { entries: unknown[] }).entries.length, query).toBeGreaterThan(0)
  }
})

test('a log is streamed to who accepts events', async () => {
  const answer = await keel.fetch('/api/logs?lines=1', { headers: { accept: 'text/event-stream' } })
  expect(answer.headers.get('content-type')).toContain('text/event-stream')
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  const { value = '' } = (await reader?.read()) ?? {}
  await reader?.cancel()
  expect(value).toMatch(/^(:.*\n\n)*data: \{"timestamp":/)
})
