import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApprovalScene, openApprovalScene } from '../support/approval-scene.ts'
import { eventually } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { listen } from '../support/sse-listener.ts'

/** A machine that is busy takes a while for a first turn. */
const patienceMs = 15_000

let scene: ApprovalScene
let follower: EventFollower

beforeAll(async () => {
  scene = await openApprovalScene('enabled = true\ngated_tools = ["write_file"]\nanswer_wait_seconds = 60')
  follower = new EventFollower(scene.keel)
  await follower.connect()
}, 30_000)

afterAll(async () => {
  await follower.cut()
  await scene.dispose()
})

interface StreamEvent {
  type: string
  request_id?: string
  content?: string
}

async function stream(content: string) {
  const { id: session_id } = await scene.keel.client.sessions.createSession({ body: {} })
  const { events, ended } = await listen(scene.keel, '/api/agent/message/stream', { content, session_id })
  const find = (type: string) => (events as StreamEvent[]).find((event) => event.type === type)
  await eventually('an approval is asked for', () => find('approval_required') !== undefined, patienceMs)
  return { session_id, asked: find('approval_required'), request: find('approval_required')?.request_id ?? '', ended }
}

/** What was announced of a request, in order. */
async function announced(request: string, last: string) {
  const ofRequest = () => follower.events.filter(({ request_id }) => request_id === request)
  await eventually(`${last} is announced`, () => ofRequest().some(({ type }) => type === last), patienceMs)
  return ofRequest()
}

test('a stream is told what is asked, in full, stays open, and carries the answer once it is allowed', async () => {
  const { asked, request, ended } = await stream('note honey')
  expect(asked).toEqual({
    type: 'approval_required',
    request_id: request,
    tool: 'write_file',
    tool_name: 'write_file',
    input: { path: 'notes.txt', content: 'honey\n', append: true },
    expires_at: expect.any(String),
  })
  await scene.approve(request, { decided_by: 'ann' })
  const events = (await ended) as StreamEvent[]
  const types = events.map(({ type }) => type).filter((type) => type !== 'chunk' && type !== undefined)
  expect(types).toEqual(['stream_start', 'approval_required', 'tool_call', 'tool_result', 'stream_end'])
  expect(events.find(({ type }) => type === 'stream_end')?.content).toContain('write_file: success')
  expect(scene.notes('honey')).toBe(1)

  const told = await announced(request, 'approval_replay_succeeded')
  expect(told.map(({ type }) => type)).toEqual([
    'pending_approval',
    'approval_requested',
    'approval_decided',
    'approval_replay_started',
    'approval_replay_succeeded',
  ])
  expect(told).toMatchObject([
    { tool: 'write_file' },
    { tool: 'write_file', status: 'Pending' },
    { tool: 'write_file', status: 'Approved', decided_by: 'ann' },
    { tool: 'write_file', turn_id: expect.any(String) },
    { tool: 'write_file', output: expect.stringContaining('notes.txt') },
  ])
})

test('a stream whose call is denied ends with what the model makes of that', async () => {
  const { request, ended } = await stream('note mead')
  await scene.deny(request, { reason: 'too sweet' })
  const events = (await ended) as StreamEvent[]
  expect(events.find(({ type }) => type === 'tool_result')).toMatchObject({ status: 'denied' })
  expect(events.find(({ type }) => type === 'stream_end')?.content).toContain('too sweet')
  const told = await announced(request, 'approval_decided')
  expect(told.map(({ type }) => type)).toEqual(['pending_approval', 'approval_requested', 'approval_decided'])
  expect(told.at(-1)).toMatchObject({ status: 'Denied' })
})

test('what expires is announced as such', async () => {
  await scene.keel.client.config.updateConfig({ body: { approvals: { timeout_seconds: 1 } } })
  const { request, ended } = await stream('note vinegar')
  await scene.keel.client.config.updateConfig({ body: { approvals: { timeout_seconds: 300 } } })
  await ended
  const told = await announced(request, 'approval_expired')
  expect(told.at(-1)).toMatchObject({ status: 'TimedOut', decided_by: null })
})

test('a stream that is left while it waits leaves its turn to go on', async () => {
  const { id: session_id } = await scene.keel.client.sessions.createSession({ body: {} })
  const leaving = new AbortController()
  const response = await scene.keel.fetch('/api/agent/message/stream', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content: 'note thyme', session_id }),
    signal: leaving.signal,
  })
  const pendingOf = async () => {
    const { pending } = await scene.keel.client.approvals.listApprovals({ query: {} })
    return pending.find((approval) => approval.session_id === session_id)
  }
  await eventually('it waits', async () => (await pendingOf()) !== undefined)
  // What comes after it in its session is answered once no process is at work on it.
  expect((await scene.ask('hello', session_id)).content).toBe('Hello.')
  leaving.abort()
  await expect(response.text()).rejects.toThrow()
  await scene.approve((await pendingOf())?.id ?? '')
  expect(await scene.told(session_id)).toContain('write_file: success')
  expect(scene.notes('thyme')).toBe(1)
})

test('a blocking caller that is answered in time gets the answer itself', async () => {
  const { id: session_id } = await scene.keel.client.sessions.createSession({ body: {} })
  const answer = scene.ask('note basil', session_id)
  await eventually('it waits', async () => {
    const { pending } = await scene.keel.client.approvals.listApprovals({ query: {} })
    return pending.some((approval) => approval.session_id === session_id)
  })
  const { pending } = await scene.keel.client.approvals.listApprovals({ query: {} })
  await scene.approve(pending.find((approval) => approval.session_id === session_id)?.id ?? '')
  expect(await answer).toMatchObject({
    content: expect.stringContaining('write_file: success'),
    pending_approvals: [],
    tool_calls: [{ tool_name: 'write_file', status: 'success' }],
  })
})

test('a blocking caller that has waited long enough is told what is waited for, and the answer comes later', async () => {
  await scene.keel.client.config.updateConfig({ body: { approvals: { answer_wait_seconds: 1 } } })
  const startedAt = performance.now()
  const answer = await scene.ask('note sage')
  const waitedMs = performance.now() - startedAt
  await scene.keel.client.config.updateConfig({ body: { approvals: { answer_wait_seconds: 60 } } })
  expect(waitedMs).toBeGreaterThanOrEqual(1_000)
  expect(answer.content).toContain(`write_file (request ${answer.request})`)
  expect(answer.tool_calls).toMatchObject([{ status: 'awaiting_approval' }])
  await scene.approve(answer.request)
  expect(await scene.told(answer.session_id)).toContain('write_file: success')
})
