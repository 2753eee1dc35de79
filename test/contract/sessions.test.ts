import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'

let keel: Daemon
beforeAll(async () => {
  keel = await startDaemon()
}, 30_000)
afterAll(() => keel.dispose())

const sessions = () => keel.client.sessions

test('a fresh server has none', async () => {
  expect(await sessions().listSessions({})).toEqual({ sessions: [], total: 0, limit: 200, offset: 0 })
})

test('three made for one agent are all listed, newest first, and the last alone is active', async () => {
  const made = []
  for (let i = 0; i < 3; i++) made.push(await sessions().createSession({ body: { agent_id: 'duncan' } }))
  for (const session of made)
    expect(session).toMatchObject({ session_id: session.id, agent_id: 'duncan', scope_key: 'agent' })
  const { sessions: listed } = await sessions().listSessions({ query: { agent_id: 'duncan' } })
  expect(listed.map(({ id }) => id)).toEqual(made.map(({ id }) => id).reverse())
  expect(listed.map(({ status }) => status)).toEqual(['active', 'archived', 'archived'])
})

test('one is shown by its id, and an unknown one is 404', async () => {
  const { id } = await sessions().createSession({ body: { nickname: 'Garden', metadata: '{"colour":"green"}' } })
  expect(await sessions().getSession({ params: { id } })).toMatchObject({
    id,
    nickname: 'Garden',
    metadata: '{"colour":"green"}',
    turn_count: 0,
  })
  await expect(sessions().getSession({ params: { id: 'nobody' } })).rejects.toMatchObject({
    kind: 'not_found',
    message: 'session nobody not found',
  })
})

test('messages are appended, listed in order, and an assistant message has a turn of its own', async () => {
  const { id } = await sessions().createSession({ body: {} })
  const question = await sessions().appendMessage({
    params: { id },
    body: { role: 'user', content: 'Where is the spade?' },
  })
  const answer = await sessions().appendMessage({
    params: { id },
    body: { role: 'assistant', content: 'In the shed.' },
  })
  expect(question.message_id).toBe(question.id)
  const { messages, total, has_more } = await sessions().listMessages({ params: { id } })
  expect(messages.map((message) => message.id)).toEqual([question.id, answer.id])
  expect(messages[1]?.parent_id).toBe(question.id)
  expect({ total, has_more }).toEqual({ total: 2, has_more: false })
  const { turns } = await keel.client.turns.listSessionTurns({ params: { id } })
  expect(turns).toMatchObject([{ assistant_message_id: answer.id, status: 'appended', model: null, cost: 0 }])
  expect((await sessions().getSession({ params: { id } })).nickname).toBe('Where is the spade')
})

test('a long conversation is listed from its newest end', async () => {
  const { id } = await sessions().createSession({ body: {} })
  for (let i = 0; i < 120; i++)
    await sessions().appendMessage({ params: { id }, body: { role: 'user', content: `message ${i}` } })
  const contents = async (query: object) =>
    (await sessions().listMessages({ params: { id }, query })).messages.map(({ content }) => content)
  const all = Array.from({ length: 120 }, (_, i) => `message ${i}`)
  expect(await contents({})).toEqual(all)
  expect(await contents({ limit: 50 })).toEqual(all.slice(70))
  expect(await contents({ limit: 50, offset: 50 })).toEqual(all.slice(20, 70))
  const { messages } = await sessions().listMessages({ params: { id }, query: { limit: 10 } })
  const before = await sessions().listMessages({ params: { id }, query: { limit: 10, before: messages[0]?.id ?? '' } })
  expect(before.messages.map(({ content }) => content)).toEqual(all.slice(100, 110))
  expect(before.has_more).toBe(true)
})

test('only users and assistants write, and only what is not too long', async () => {
  const { id } = await sessions().createSession({ body: {} })
  const append = (body: unknown) =>
    keel.fetch(`/api/sessions/${id}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  for (const [body, text] of [
    [{ role: 'system', content: 'x' }, 'role'],
    [{ role: 'user', content: ' ' }, 'must not be empty'],
    [{ role: 'user', content: 'a\u0000b' }, 'must not contain null bytes'],
    [{ role: 'user', content: 'ü'.repeat(2_049) }, 'exceeds max length (4096)'],
  ] as const) {
    const answer = await append(body)
    expect(answer.status).toBe(400)
    expect(((await answer.json()) as { error: string }).error).toContain(text)
  }
  await expect(
    sessions().appendMessage({ params: { id: 'nobody' }, body: { role: 'user', content: 'x' } }),
  ).rejects.toMatchObject({ kind: 'not_found' })
  expect((await sessions().listMessages({ params: { id: 'nobody' } })).messages).toEqual([])
})

test('nameless sessions get names once', async () => {
  const { id } = await sessions().createSession({ body: { agent_id: 'nameless' } })
  const first = await sessions().backfillNicknames()
  expect(first.backfilled).toBeGreaterThanOrEqual(1)
  expect(first).toMatchObject({ updated: first.backfilled, remaining: 0 })
  expect((await sessions().getSession({ params: { id } })).nickname).toBe('Untitled')
  expect((await sessions().backfillNicknames()).backfilled).toBe(0)
})

test('one is archived, and deleted with what belongs to it', async () => {
  const { id } = await sessions().createSession({ body: {} })
  await sessions().appendMessage({ params: { id }, body: { role: 'assistant', content: 'Hello' } })
  expect(await sessions().archiveSession({ params: { id } })).toEqual({ id, status: 'archived' })
  expect(await sessions().deleteSession({ params: { id } })).toEqual({ deleted: true, id })
  expect((await sessions().listMessages({ params: { id } })).messages).toEqual([])
  expect((await keel.client.turns.listSessionTurns({ params: { id } })).turns).toEqual([])
  for (const gone of [sessions().deleteSession, sessions().archiveSession, sessions().getSession]) {
    await expect(gone({ params: { id } })).rejects.toMatchObject({ kind: 'not_found' })
  }
})

test('filters narrow the list, and what is announced on the bus is what happened', async () => {
  const { last_seq: since } = await keel.client.events.listEvents({ query: { limit: 1000 } })
  const { id } = await sessions().createSession({ body: { agent_id: 'filtered', nickname: 'Tax Return' } })
  expect(
    (await sessions().listSessions({ query: { q: 'tax', status: 'active' } })).sessions.map((session) => session.id),
  ).toEqual([id])
  expect((await sessions().listSessions({ query: { q: 'tax', status: 'expired' } })).sessions).toEqual([])
  await sessions().deleteSession({ params: { id } })
  const { events } = await keel.client.events.listEvents({ query: { since } })
  expect(events.map(({ type }) => type)).toEqual(['session_created', 'session_deleted'])
})
