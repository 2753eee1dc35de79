import { expect, test } from 'vitest'
import { sql } from '#kernel/store/database.ts'
import { appendMessage, countMessages, earlierMessages, newestMessages } from '#kernel/store/messages.ts'
import {
  archiveActiveSession,
  deleteSession,
  findSession,
  insertSession,
  listSessions,
  reactivateSession,
  setNickname,
} from '#kernel/store/sessions.ts'
import { temporaryStore } from '../support/temp-store.ts'

function sessionWith(messages: number) {
  const { store } = temporaryStore()
  const session = insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  const rows = Array.from({ length: messages }, (_, i) =>
    appendMessage(store.write, {
      session_id: session.id,
      role: i % 2 === 0 ? 'user' : 'assistant',
      content: `message ${i}`,
      turn_id: `turn ${Math.floor(i / 2)}`,
    }),
  )
  return { store, session, rows }
}

test('one agent and scope have one active session at the most', () => {
  const { store } = temporaryStore()
  insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  expect(() => insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })).toThrow(/UNIQUE/)
  archiveActiveSession(store.write, 'keel', 'agent')
  expect(insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' }).status).toBe('active')
})

test('the default window ends with the newest message, and an offset skips from that end', () => {
  const { store, session, rows } = sessionWith(30)
  const contents = (messages: { content: string }[]) => messages.map(({ content }) => content)
  const all = contents(rows)
  expect(contents(newestMessages(store.read, session.id, { limit: 5, offset: 0 }))).toEqual(all.slice(25))
  expect(contents(newestMessages(store.read, session.id, { limit: 5, offset: 5 }))).toEqual(all.slice(20, 25))
  const before = rows[10]?.id
  expect(contents(newestMessages(store.read, session.id, { limit: 3, offset: 0, before }))).toEqual(all.slice(7, 10))
})

test('a turn sees the answers before it, also those that came after its question was asked', () => {
  const { store, session } = sessionWith(0)
  const say = (role: 'user' | 'assistant', content: string, turn_id: string) =>
    appendMessage(store.write, { session_id: session.id, role, content, turn_id })
  say('user', 'first question', 'one')
  const second = say('user', 'second question', 'two')
  say('user', 'third question', 'three')
  say('assistant', 'first answer', 'one')
  const seen = earlierMessages(store.read, second, 10).map(({ content }) => content)
  expect(seen).toEqual(['first answer', 'first question'])
})

test('deleting a session takes its messages along', () => {
  const { store, session } = sessionWith(4)
  deleteSession(store.write, session.id)
  expect(findSession(store.read, session.id)).toBeUndefined()
  expect(countMessages(store.read, session.id)).toBe(0)
})

test('a name given by its user is never replaced', () => {
  const { store } = temporaryStore()
  const session = insertSession(store.write, { agent_id: 'keel', scope_key: 'agent', nickname: 'Mine' })
  setNickname(store.write, session.id, 'Not mine', 'model')
  expect(findSession(store.read, session.id)?.nickname).toBe('Mine')
})

test('an archived session becomes active again only where its scope has no active one', () => {
  const { store } = temporaryStore()
  const first = insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  archiveActiveSession(store.write, 'keel', 'agent')
  const archived = findSession(store.read, first.id)
  if (!archived) throw new Error('the session is gone')
  insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  reactivateSession(store.write, archived)
  expect(findSession(store.read, first.id)?.status).toBe('archived')
  archiveActiveSession(store.write, 'keel', 'agent')
  reactivateSession(store.write, archived)
  expect(findSession(store.read, first.id)?.status).toBe('active')
})

test('lists are filtered by agent, status and part of the name, newest first, on the reader pool too', async () => {
  const { store } = temporaryStore()
  insertSession(store.write, { agent_id: 'a', scope_key: 'agent', nickname: 'Garden plans' })
  insertSession(store.write, { agent_id: 'b', scope_key: 'agent', nickname: 'Tax return' })
  insertSession(store.write, { agent_id: 'c', scope_key: 'agent' })
  const args = { order: 'created' as const, limit: 10, offset: 0 }
  expect(listSessions(store.read, { filter: {}, ...args }).map(({ agent_id }) => agent_id)).toEqual(['c', 'b', 'a'])
  expect(listSessions(store.read, { filter: { q: 'GARDEN' }, ...args }).map(({ agent_id }) => agent_id)).toEqual(['a'])
  const pooled = await store.pool.run('listSessions', { filter: { agent_id: 'b', status: 'active' }, ...args })
  expect(pooled.map(({ nickname }) => nickname)).toEqual(['Tax return'])
})

test.each([
  [
    'the newest messages of a session',
    'SELECT id FROM session_messages WHERE session_id = ? ORDER BY rowid DESC LIMIT 5',
    'session_messages_by_session',
  ],
  [
    'the active session of a scope',
    `SELECT id FROM sessions WHERE agent_id = ? AND scope_key = 'agent' AND status = 'active'`,
    'sessions_one_active',
  ],
  [
    'the turns of a session',
    'SELECT id FROM turns WHERE session_id = ? ORDER BY rowid DESC LIMIT 5',
    'turns_by_session',
  ],
  ['the unfinished turns', `SELECT id FROM turns WHERE status = 'running' AND 'x' = ?`, 'turns_running'],
  [
    'the newest costs',
    'SELECT id FROM inference_costs WHERE created_at >= ? ORDER BY created_at DESC LIMIT 5',
    'inference_costs_by_creation',
  ],
  ['the selections of a turn', 'SELECT id FROM model_selection_events WHERE turn_id = ?', 'model_selections_by_turn'],
])('%s are found by their index', (_, query, index) => {
  const { store } = temporaryStore()
  const plan = sql(store.read, `EXPLAIN QUERY PLAN ${query}`).all('x') as { detail: string }[]
  expect(plan.map(({ detail }) => detail).join('\n')).toContain(index)
})
