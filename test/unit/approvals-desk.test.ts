import { pino } from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { Approvals } from '#kernel/approvals/approvals.ts'
import { decideApproval, insertApproval, loadApproval, type NewApproval } from '#kernel/store/approvals.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'
import { listToolCalls, openToolCall } from '#kernel/store/tool-calls.ts'
import { beginAttempt, insertTurn } from '#kernel/store/turns.ts'
import { storeTurnEnd } from '#kernel/turns/finish-turn.ts'
import { timestamp } from '#sdk/ids.ts'
import { openGate } from '../support/gate-scene.ts'

afterEach(() => void vi.useRealTimers())

const wanted: Omit<NewApproval, 'timeout_at'> = {
  tool_name: 'send_note',
  tool_version: '1',
  tool_input: '{}',
  subject: 'subject',
  turn_id: null,
  seq: null,
  session_id: null,
  agent_id: null,
  channel: 'api',
  requested_authority: 'Creator',
  risk_level: 'Safe',
  policy_rule: 'approval',
  policy_reason: null,
}
/** What the desk works with; the store has clocks of its own. */
const deskTimers = { toFake: ['setTimeout', 'clearTimeout', 'Date'] } satisfies Parameters<typeof vi.useFakeTimers>[0]
const approve = { status: 'approved', scope: 'once', decided_by: 'ann', reason: null } as const

function runningTurn(store: Store): string {
  const { id: session_id } = insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  const { id } = appendMessage(store.write, { session_id, role: 'user', content: 'Note milk', turn_id: 'turn' })
  insertTurn(store.write, { id: 'turn', session_id, user_message_id: id, request_json: '{}' })
  beginAttempt(store.write, 'turn')
  return 'turn'
}

test('requests expire one after the other though nobody asks, and those in time can still be decided', () => {
  const { approvals, store, told } = openGate()
  vi.useFakeTimers(deskTimers)
  const first = approvals.request(wanted, () => {})
  vi.advanceTimersByTime(200_000)
  const second = approvals.request(wanted, () => {})
  vi.advanceTimersByTime(100_000)
  expect(loadApproval(store.read, first.id).status).toBe('timed_out')
  expect(told.filter((type) => type === 'approval_expired')).toHaveLength(1)
  expect(() => approvals.decide(first.id, approve)).toThrow('is already TimedOut')
  expect(approvals.decide(second.id, approve).status).toBe('approved')
  vi.advanceTimersByTime(1_000_000)
  expect(loadApproval(store.read, second.id).status).toBe('approved')
})

test('one that waits for weeks is looked after all the time', () => {
  const { store, bus, log } = openGate()
  vi.useFakeTimers(deskTimers)
  const approvals = new Approvals({ store, bus, log, timeoutSeconds: () => 604_800 })
  const { id } = approvals.request(wanted, () => {})
  vi.advanceTimersByTime(604_799_000)
  expect(loadApproval(store.read, id).status).toBe('pending')
  vi.advanceTimersByTime(1_000)
  expect(loadApproval(store.read, id).status).toBe('timed_out')
  approvals.close()
})

test('one that is over when a person decides is not decided, though no timer has run yet', () => {
  const { approvals, store } = openGate()
  const { id } = insertApproval(store.durable, { ...wanted, timeout_at: timestamp(Date.now() - 1) })
  expect(() => approvals.decide(id, approve)).toThrow('is already TimedOut')
})

test('who waits for a turn is woken by its last decision, or by the end of its own patience', async () => {
  const { approvals, store } = openGate()
  const turn_id = runningTurn(store)
  const [first, second] = [1, 2].map((seq) => approvals.request({ ...wanted, turn_id, seq }, () => {}))
  let settled = false
  const waiting = approvals.settled(turn_id, new AbortController().signal).then(() => {
    settled = true
  })
  approvals.decide(first?.id ?? '', approve)
  await new Promise((resolve) => setImmediate(resolve))
  expect(settled).toBe(false)
  const leaving = new AbortController()
  const left = approvals.settled(turn_id, leaving.signal)
  leaving.abort(new Error('gone'))
  await expect(left).rejects.toThrow()
  approvals.decide(second?.id ?? '', { ...approve, status: 'denied', scope: null })
  await waiting
})

test('the end of a turn withdraws what it waits for and closes what it leaves open, all at once', () => {
  const { approvals, store } = openGate()
  const turn_id = runningTurn(store)
  const row = { turn_id, tool_name: 'send_note', input: '{}', plugin: null, channel: 'web' }
  const noSkill = { skill_id: null, skill_name: null, skill_hash: null }
  openToolCall(store.write, { ...row, ...noSkill, seq: 1 }, 'running')
  const { id } = approvals.request({ ...wanted, turn_id, seq: 2 }, ({ id: approval_id }, db) => {
    openToolCall(db, { ...row, ...noSkill, seq: 2 }, 'awaiting_approval', approval_id)
  })
  const other = approvals.request(wanted, () => {})
  const end = { turn_id, status: 'interrupted', content: 'Stopped.', react_turns: 0, error: 'cancelled' } as const
  expect(storeTurnEnd(store, end)?.withdrawn).toMatchObject([{ id, status: 'denied', decided_by: 'keel' }])
  expect(listToolCalls(store.read, turn_id)).toMatchObject([
    { seq: 1, status: 'unknown', output: expect.stringContaining('nobody knows whether it took effect') },
    { seq: 2, status: 'denied', output: 'The turn ended before anybody allowed it.' },
  ])
  expect(() => approvals.decide(id, approve)).toThrow('is already Denied')
  // Those of nobody's turn are not touched.
  expect(loadApproval(store.read, other.id).status).toBe('pending')
})

test('what waits for a turn that is over is withdrawn at the start', () => {
  const { store, bus, told } = openGate()
  const turn_id = runningTurn(store)
  const { id } = insertApproval(store.durable, { ...wanted, turn_id, seq: 1, timeout_at: '2999-01-01T00:00:00.000Z' })
  store.write.exec(`UPDATE turns SET status = 'ok'`)
  new Approvals({ store, bus, log: pino({ enabled: false }), timeoutSeconds: () => 300 }).close()
  expect(loadApproval(store.read, id)).toMatchObject({ status: 'denied', reason: 'its turn is over' })
  expect(told).toContain('approval_decided')
})

test('only one of many decisions counts, whoever stores it', () => {
  const { approvals, store } = openGate()
  const { id } = approvals.request(wanted, () => {})
  expect(decideApproval(store.write, id, { ...approve, status: 'denied', scope: null })?.status).toBe('denied')
  expect(decideApproval(store.durable, id, approve)).toBeUndefined()
  expect(() => approvals.decide(id, approve)).toThrow('is already Denied')
})
