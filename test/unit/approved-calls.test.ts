import { setImmediate as nextTick } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { replayApprovedCalls } from '#kernel/approvals/replay.ts'
import { findApproval, listPendingApprovals } from '#kernel/store/approvals.ts'
import { closeCutOffCalls, findToolCallOfApproval, listRecentToolCalls } from '#kernel/store/tool-calls.ts'
import { callApproved, callTool } from '#kernel/tools/call-tool.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { apiCaller, notingTool, openGate } from '../support/gate-scene.ts'

const approve = { status: 'approved', scope: 'once', decided_by: 'ann', reason: null } as const
const deny = { status: 'denied', scope: null, decided_by: 'ann', reason: 'no' } as const
const all = { tool: null, status: null, limit: 100, offset: 0 }

/** A call over the API that waits, and the tools that there are when somebody decides. */
async function waitingCall(change: Partial<Tool> = {}) {
  const gate = openGate()
  const { tool, runs } = notingTool(change)
  const tools = new Map([[tool.name, tool]])
  const result = await callTool({ tool, input: { to: 'ann' }, caller: apiCaller }, new AbortController().signal, gate)
  if (result.kind !== 'awaiting_approval') throw new Error('It does not wait')
  const { id } = result.approval
  const stop = new AbortController()
  const deps = { ...gate, toolbox: { find: (name: string) => tools.get(name) }, signal: stop.signal }
  return {
    ...gate,
    id,
    runs,
    tools,
    stop,
    /** As each kernel does when it starts. */
    start: () => replayApprovedCalls(deps),
    restart: () => replayApprovedCalls({ ...deps, signal: new AbortController().signal }),
    call: () => findToolCallOfApproval(gate.store.read, id),
    used: () => findApproval(gate.store.read, id)?.used_at !== null,
  }
}

test('runs once when it is approved, with exactly the input that was shown', async () => {
  const { start, approvals, id, runs, call, told, used } = await waitingCall()
  start()
  approvals.decide(id, approve)
  await nextTick()
  expect(runs).toEqual([{ to: 'ann' }])
  expect(call()).toMatchObject({ status: 'success', output: 'Sent.', approval_id: id })
  expect(used()).toBe(true)
  expect(told.filter((type) => type.startsWith('approval_') || type === 'pending_approval')).toEqual([
    'pending_approval',
    'approval_requested',
    'approval_decided',
    'approval_replay_started',
    'approval_replay_succeeded',
  ])
})

test('that was approved before the kernel died is begun by the next one, and by no later one', async () => {
  const { start, approvals, id, runs } = await waitingCall()
  approvals.decide(id, approve)
  expect(runs).toEqual([])
  start()
  await nextTick()
  expect(runs).toHaveLength(1)
  start()
  await nextTick()
  expect(runs).toHaveLength(1)
})

test('that is approved while the kernel stops is left for the next one', async () => {
  const { start, stop, restart, approvals, id, runs, used } = await waitingCall()
  start()
  stop.abort()
  approvals.decide(id, approve)
  await nextTick()
  expect(runs).toEqual([])
  expect(used()).toBe(false)
  restart()
  await nextTick()
  expect(runs).toHaveLength(1)
})

test('that had begun when the kernel died is unknown, and is not begun again', async () => {
  const begun = Promise.withResolvers<void>()
  const scene = await waitingCall({
    async run(_, { signal }) {
      begun.resolve()
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      throw new RuntimeError('cancelled')
    },
  })
  scene.start()
  scene.approvals.decide(scene.id, approve)
  await begun.promise
  expect(scene.call()?.status).toBe('running')
  // As at the next start.
  closeCutOffCalls(scene.store.write)
  expect(scene.call()).toMatchObject({
    status: 'unknown',
    output: expect.stringContaining('nobody knows whether it took effect'),
  })
  const again = await callApproved(
    findApproval(scene.store.read, scene.id) as never,
    scene.tools.get('send_note'),
    scene.stop.signal,
    scene,
  )
  expect(again).toBeUndefined()
  scene.stop.abort()
})

test.each<[what: string, change: (tools: Map<string, Tool>) => void, says: string]>([
  ['is gone', (tools) => tools.delete('send_note'), 'there is no tool named send_note any more'],
  [
    'has changed',
    (tools) => tools.set('send_note', notingTool({ version: '2' }).tool),
    'has changed since it was approved',
  ],
  [
    'refuses it by now',
    (tools) => tools.set('send_note', notingTool({ conditions: () => ({ deny: 'not any more' }) }).tool),
    'not any more',
  ],
])('whose tool %s is denied for good, on record', async (_, change, says) => {
  const { start, approvals, id, runs, tools, call, told, used } = await waitingCall()
  const original = tools.get('send_note') as Tool
  start()
  change(tools)
  approvals.decide(id, approve)
  await nextTick()
  expect(call()).toMatchObject({ status: 'denied', output: expect.stringContaining(says) })
  expect(told.at(-1)).toBe('approval_replay_failed')
  expect(used()).toBe(true)
  // It comes back, and the approval does not come back with it.
  tools.set('send_note', original)
  start()
  await nextTick()
  expect(runs).toEqual([])
})

test('that is denied, or that nobody decides, never runs and its row says so', async () => {
  const denied = await waitingCall()
  denied.start()
  denied.approvals.decide(denied.id, deny)
  await nextTick()
  expect(denied.runs).toEqual([])
  expect(denied.call()).toMatchObject({ status: 'denied', output: 'Denied by the operator: no.' })
  expect(denied.used()).toBe(false)
})

test('that fails when it is run is told as failed', async () => {
  const { start, approvals, id, call, told } = await waitingCall({
    run: async () => ({ status: 'error', output: 'The mailbox is full.' }),
  })
  start()
  approvals.decide(id, approve)
  await nextTick()
  expect(call()).toMatchObject({ status: 'error', output: 'The mailbox is full.' })
  expect(told.at(-1)).toBe('approval_replay_failed')
})

test('a call that is denied at once leaves a row, and nobody is asked', async () => {
  const gate = openGate({ blocked_tools: ['send_note'] })
  const { tool, runs } = notingTool()
  const result = await callTool({ tool, input: {}, caller: apiCaller }, new AbortController().signal, gate)
  expect(result).toMatchObject({ kind: 'denied', rule: 'blocked_tools' })
  expect(runs).toEqual([])
  expect(listPendingApprovals(gate.store.read)).toEqual([])
  expect(listRecentToolCalls(gate.store.read, all)).toMatchObject([
    { tool_name: 'send_note', status: 'denied', plugin: 'notes', channel: 'api', turn_id: null },
  ])
})
