import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { pendingRoutes } from '#kernel/areas/pending.ts'
import { api } from '#sdk/api.ts'
import { errorTable } from '#sdk/errors.ts'
import { pathParamNames, type Route } from '#sdk/route.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'

/*
 * Every declared route against every kind of bad input: one status, one clear error that names the field, and nothing of
 * the inside.
 */

interface Declared {
  name: string
  route: Route
  pending: boolean
}

const pending: ReadonlySet<string> = new Set(pendingRoutes)
const routes: Declared[] = Object.entries(api).flatMap(([area, table]) =>
  Object.entries<Route>(table).map(([key, route]) => ({
    name: `${area}.${key}`,
    route,
    pending: pending.has(`${area}.${key}`),
  })),
)
const closed = routes.filter(({ route }) => route.options.auth !== 'public')
const real = closed.filter((declared) => !declared.pending)
const withBody = real.filter(({ route }) => route.options.body !== undefined && route.options.rawBody !== true)
const withQuery = real.filter(({ route }) => route.options.query !== undefined)
const withParams = real.filter(({ route }) => route.path.includes(':'))

let keel: Daemon
beforeAll(async () => {
  keel = await startDaemon({
    config: '[server]\nper_actor_rate_limit_requests = 100000\nper_ip_rate_limit_requests = 100000\n',
  })
}, 30_000)
afterAll(() => keel.dispose())

function pathOf(route: Route, id = 'nobody-knows-this'): string {
  return pathParamNames(route.path).reduce((path, name) => path.replace(`:${name}`, encodeURIComponent(id)), route.path)
}

const json = { 'content-type': 'application/json' }

/** The text of the error, after checking that it is one and tells nothing of the inside. */
async function errorOf(response: Response): Promise<string> {
  const text = await response.text()
  expect(response.headers.get('content-type'), text).toMatch(/application\/json/)
  const body = JSON.parse(text) as { error: string | { message: string } }
  const error = typeof body.error === 'string' ? body.error : body.error.message
  expect(error.length, text).toBeGreaterThan(0)
  expect(text).not.toMatch(/\n\s+at |node_modules|\/kernel\/|\/services\/|SQLITE|SELECT |INSERT /)
  return error
}

test('without a key each route that is not public answers 401, also a pending one, before it reads anything', async () => {
  for (const { route, name } of closed) {
    const answer = await fetch(keel.url + pathOf(route), {
      method: route.method,
      ...(route.method === 'GET' ? {} : { body: '{"broken' }),
    })
    expect(answer.status, name).toBe(401)
    await errorOf(answer)
  }
})

test('a pending route answers 501 in the form of its area', async () => {
  for (const { route, name } of closed.filter((declared) => declared.pending)) {
    const answer = await keel.fetch(pathOf(route), { method: route.method })
    expect(answer.status, name).toBe(501)
    expect(await errorOf(answer), name).toContain('not implemented')
  }
})

test('a wrong method on a known path is 405 and says which are right', async () => {
  for (const { route, name } of closed) {
    const answer = await keel.fetch(pathOf(route), { method: 'PATCH' })
    expect(answer.status, name).toBe(405)
    expect(answer.headers.get('allow'), name).toContain(route.method)
    expect(await errorOf(answer)).toBe('method not allowed')
  }
})

const hostileIds = [
  '..',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  "'; DROP TABLE sessions; --",
  'a\u0000b',
  '%',
  'x'.repeat(5_000),
  '💥',
  ' ',
]

test.each(withParams)('$route.method $route.path takes no hostile id', async ({ route }) => {
  for (const id of hostileIds) {
    const answer = await keel.fetch(pathOf(route, id), {
      method: route.method,
      headers: json,
      ...(route.options.body ? { body: '{}' } : {}),
    })
    expect(answer.status, id.slice(0, 30)).toBeLessThan(500)
    await answer.body?.cancel()
  }
})

/** What a query must have, where a value that is wrong must not be hidden by one that is missing. */
const requiredQuery: Record<string, string> = { 'memory.searchMemory': 'q=anything&' }

test.each(withQuery)(
  '$route.method $route.path refuses a wrong query value, naming it',
  async ({ name: key, route }) => {
    const schema = z.toJSONSchema(route.options.query as z.ZodObject, { io: 'input', unrepresentable: 'any' })
    const integers = Object.entries(schema.properties ?? {}).filter(
      ([, property]) => typeof property === 'object' && property.type === 'integer',
    )
    for (const [name] of integers) {
      const answer = await keel.fetch(`${pathOf(route)}?${requiredQuery[key] ?? ''}${name}=several`)
      if (answer.status === 200) {
        // A few numbers are lenient by contract: what is no number counts as absent.
        expect(`${route.path} ${name}`).toMatch(/^\/api\/logs lines$/)
        await answer.body?.cancel()
        continue
      }
      expect(answer.status, name).toBe(400)
      expect(await errorOf(answer)).toContain(name)
    }
  },
)

describe.each(withBody)('$route.method $route.path', (declared) => {
  const { route } = declared
  const { status: refused } = errorTable[route.options.bodyError ?? 'invalid']
  const send = (body: string, headers: Record<string, string> = json) =>
    keel.fetch(pathOf(route), { method: route.method, headers, body })

  test('broken JSON is 400', async () => {
    const answer = await send('{"a": ')
    expect(answer.status).toBe(400)
    await errorOf(answer)
  })

  test('another content type is 415', async () => {
    const answer = await send('{}', { 'content-type': 'text/plain' })
    expect(answer.status).toBe(415)
    expect(await errorOf(answer)).toContain('application/json')
  })

  test('what is no object is refused', async () => {
    for (const body of ['[]', '"text"', '7', 'null']) {
      const answer = await send(body)
      expect(answer.status, body).toBe(refused)
      await errorOf(answer)
    }
  })

  test('too deep is 400', async () => {
    const answer = await send(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)
    expect(answer.status).toBe(400)
    await errorOf(answer)
  })

  test('too large is 413', async () => {
    const limit = route.options.maxBodyBytes ?? 1024 * 1024
    const answer = await send(JSON.stringify({ padding: 'x'.repeat(limit) }))
    expect(answer.status).toBe(413)
    await errorOf(answer)
  })

  const schema = z.toJSONSchema(route.options.body as z.ZodType, { io: 'input', unrepresentable: 'any' })
  const required = schema.required ?? []

  if (required.length > 0) {
    test('a missing field is 400 and named', async () => {
      const answer = await send('{}')
      expect(answer.status).toBe(400)
      const error = await errorOf(answer)
      expect(
        required.some((name) => error.includes(name)),
        error,
      ).toBe(true)
    })
  }

  const fields = Object.keys(schema.properties ?? {})
  if (fields.length > 0)
    test('a field of a wrong type is 400 and named', async () => {
      for (const name of fields) {
        const answer = await send(JSON.stringify({ ...examples[declared.name], [name]: { wrong: [true] } }))
        if (answer.status === 400) expect(await errorOf(answer), name).toContain(name)
        else {
          // What a job may do is an object, and which one is asked of a job that is there.
          expect(`${declared.name}.${name}`, `${answer.status}`).toMatch(/^compat\.|^cron\.updateJob\.payload_json$/)
          await answer.body?.cancel()
        }
      }
    })
})

/** A good value of each required field, where the field that is wrong must not be hidden by one that is missing. */
const examples: Record<string, Record<string, unknown>> = {
  'memory.addMemory': { text: 'anything' },
  'cron.createJob': { name: 'anything', schedule_kind: 'every', schedule_expr: '1h' },
  'cron.previewSchedule': { schedule_kind: 'every', schedule_expr: '1h' },
  'sessions.appendMessage': { role: 'user', content: 'hello' },
  'agent.sendMessage': { content: 'hello' },
  'channels.sendMessage': { chat_id: '1', text: 'hello' },
  'agent.streamMessage': { content: 'hello' },
  'feedback.createTurnFeedback': { grade: 3 },
  'skills.installCatalogSkills': { skills: ['nobody'] },
  'skills.activateCatalogSkills': { skills: [] },
  'feedback.updateTurnFeedback': { grade: 3 },
  'compat.createChatCompletion': { model: 'keel/offline', messages: [{ role: 'user', content: 'hello' }] },
  'compat.createResponse': { model: 'keel/offline', input: 'hello' },
  'compat.createEmbeddings': { model: 'keel/offline', input: 'hello' },
  'compat.createAnthropicMessage': {
    model: 'keel/offline',
    max_tokens: 10,
    messages: [{ role: 'user', content: 'hello' }],
  },
}

test('an unknown path is 404 with a key and 401 without', async () => {
  const known = await keel.fetch('/api/nothing/here')
  expect(known.status).toBe(404)
  expect(await errorOf(known)).toBe('not found')
  expect((await fetch(`${keel.url}/api/nothing/here`)).status).toBe(401)
})

test('keys that name a prototype are inert', async () => {
  const body = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"agent_id":"inert"}'
  const answer = await keel.fetch('/api/sessions', { method: 'POST', headers: json, body })
  expect(answer.status).toBe(200)
  const session = (await answer.json()) as Record<string, unknown>
  expect(session).not.toHaveProperty('polluted')
  const { sessions } = await keel.client.sessions.listSessions({})
  for (const listed of sessions) expect(listed).not.toHaveProperty('polluted')
})

test('after all of that Keel is well', async () => {
  expect(await keel.client.health.getHealth()).toMatchObject({ status: 'ok' })
})
