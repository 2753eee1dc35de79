import { expect, test } from 'vitest'
import { exchangeOf } from '#kernel/memory/exchange.ts'
import { countIngest } from '#kernel/store/memory-ingest.ts'
import { deleteSession } from '#kernel/store/sessions.ts'
import { closeToolCall, openToolCall } from '#kernel/store/tool-calls.ts'
import { noAnswer } from '#kernel/turns/finish-turn.ts'
import { exchange } from '#sdk/services/memory.ts'
import { endedTurn, newSession } from '../support/memory-scene.ts'
import { temporaryStore } from '../support/temp-store.ts'

test.each([
  ['ok', 'Noted.', 1],
  ['limit', 'So far: milk.', 1],
  ['interrupted', 'So far: mi', 1],
  ['interrupted', noAnswer, 0],
  ['error', 'The turn could not be finished.', 0],
  ['blocked', 'The answer was withheld.', 0],
] as const)('a turn that ends as %s with "%s" waits to be remembered: %i', (status, answer, waiting) => {
  const { store } = temporaryStore()
  endedTurn(store, { session_id: newSession(store), question: 'note milk', answer, status })
  expect(countIngest(store.read)).toBe(waiting)
})

test('a turn is told as it was: whose, where, by whom, with what', () => {
  const { store } = temporaryStore()
  const session_id = newSession(store, 'peer:telegram:42')
  const id = endedTurn(store, {
    session_id,
    question: 'what is the weather?',
    answer: 'It rains.',
    request: { channel: 'telegram', authority: 'Peer', sender_id: '42' },
  })
  const call = { turn_id: id, seq: 1, plugin: null, skill_id: null, skill_name: null, skill_hash: null, channel: null }
  const row = openToolCall(store.write, { ...call, tool_name: 'http_get', input: '{"url":"https://example.org"}' })
  closeToolCall(store.write, row, { status: 'success', output: 'x'.repeat(10_000), duration_ms: 1 })
  const told = exchangeOf(store.read, id)
  expect(exchange.parse(told)).toEqual(told)
  expect(told).toMatchObject({
    turn_id: id,
    session_id,
    agent_id: 'keel',
    scope_key: 'peer:telegram:42',
    channel: 'telegram',
    authority: 'Peer',
    peer: { id: 'telegram:42', name: null },
    status: 'ok',
    question: { text: 'what is the weather?' },
    answer: { text: 'It rains.' },
    tools: [{ name: 'http_get', status: 'success', input: '{"url":"https://example.org"}' }],
    skills: [],
  })
  expect(Buffer.byteLength(told?.tools[0]?.output ?? '')).toBeLessThanOrEqual(4_096)
})

test('the same number on two channels is two people, and who owns the agent is nobody else', () => {
  const { store } = temporaryStore()
  const session_id = newSession(store, 'group:discord:7')
  const peerOf = (sender_id: string | null, channel: string) =>
    exchangeOf(store.read, endedTurn(store, { session_id, question: 'hi', request: { sender_id, channel } }))?.peer?.id
  expect([peerOf('42', 'discord'), peerOf('42', 'signal'), peerOf(null, 'web')]).toEqual([
    'discord:42',
    'signal:42',
    undefined,
  ])
})

test('what waits to be remembered goes with its session', () => {
  const { store } = temporaryStore()
  const session_id = newSession(store)
  const id = endedTurn(store, { session_id, question: 'note milk' })
  deleteSession(store.write, session_id)
  expect([countIngest(store.read), exchangeOf(store.read, id)]).toEqual([0, undefined])
})
