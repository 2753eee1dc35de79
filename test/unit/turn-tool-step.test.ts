import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createEventBus } from '#kernel/events/bus.ts'
import type { Judgement } from '#kernel/policy/judge.ts'
import type { ToolUse } from '#kernel/policy/rules.ts'
import { type ApprovalRow, listPendingApprovals, loadApproval } from '#kernel/store/approvals.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import { listToolCalls } from '#kernel/store/tool-calls.ts'
import { findStep } from '#kernel/store/turn-steps.ts'
import { beginAttempt, insertTurn } from '#kernel/store/turns.ts'
import { builtinToolsOf } from '#kernel/tools/builtin-tools.ts'
import { openToolbox } from '#kernel/tools/toolbox.ts'
import { toolStep } from '#kernel/turns/tool-step.ts'
import type { TurnRequest } from '#kernel/turns/turn-request.ts'
import { type ErrorKind, RuntimeError } from '#sdk/errors.ts'
import { openApprovals } from '../support/approvals.ts'
import { someRequest } from '../support/ingest-scene.ts'
import { temporaryStore } from '../support/temp-store.ts'

const turn_id = 'turn'
const seq = 2
const inputs = { write_file: '{"path":"note.txt","content":"milk"}', list_directory: '{}' }
type ToolName = keyof typeof inputs

const request: TurnRequest = { ...someRequest, model_text: 'Note milk' }

/** A turn in its first attempt, and a tools service that ends each run as `run` does. */
function scene(name: ToolName, run: () => Promise<void>, decision: Judgement['decision'] = 'allow') {
  const { store } = temporaryStore()
  const bus = createEventBus({ db: store.write, log: pino({ enabled: false }) })
  onTestFinished(() => bus.close())
  const { id: session_id } = insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  const { id } = appendMessage(store.write, { session_id, role: 'user', content: 'Note milk', turn_id })
  insertTurn(store.write, { id: turn_id, session_id, user_message_id: id, request_json: JSON.stringify(request) })
  beginAttempt(store.write, turn_id)
  let runs = 0
  const tools = {
    async run() {
      runs += 1
      await run()
      return { status: 'success' as const, output: 'Done.' }
    },
  }
  const judge = (use: ToolUse): Judgement => {
    const judged = decision === 'gate' && use.approved ? 'allow' : decision
    return { decision: judged, rule: 'rules', reason: null, context: {} }
  }
  const installed = { tools: builtinToolsOf(tools, '0.0.0') }
  const deps = {
    store,
    bus,
    judge,
    turns: { find: () => undefined },
    approvals: openApprovals(store, bus),
    toolbox: openToolbox([() => installed.tools]),
  }
  return {
    store,
    bus,
    runs: () => runs,
    approvals: deps.approvals,
    /** What the toolbox has; a test may take it away. */
    installed,
    forbid: () => {
      decision = 'deny'
    },
    pending: () => listPendingApprovals(store.read)[0] as ApprovalRow,
    step: (attempt: number, signal = new AbortController().signal) =>
      toolStep({ turn_id, attempt, seq, call: { id: 'call', name, arguments: inputs[name] } }, { signal }, deps),
  }
}

/** Fails as told, then no more. */
function failing(...kinds: ErrorKind[]) {
  return async () => {
    const kind = kinds.shift()
    if (kind) throw new RuntimeError(kind)
  }
}

test.each<[ToolName, ErrorKind, status: string, runs: number]>([
  ['write_file', 'outcome_unknown', 'unknown', 1],
  // It may take effect after all.
  ['write_file', 'timeout', 'unknown', 1],
  // It never reached a process.
  ['write_file', 'unavailable', 'success', 2],
  ['write_file', 'invalid', 'error', 1],
  ['list_directory', 'outcome_unknown', 'success', 2],
  ['list_directory', 'unavailable', 'success', 2],
  ['list_directory', 'timeout', 'error', 1],
])('%s that fails as %s ends as %s, having been run %i times', async (name, kind, status, runs) => {
  const { store, step, runs: count } = scene(name, failing(kind))
  const outcome = await step(1)
  expect(outcome.status).toBe(status)
  expect(outcome.output.includes('nobody knows whether it took effect')).toBe(status === 'unknown')
  expect(count()).toBe(runs)
  expect(findStep(store.read, turn_id, seq)?.step).toMatchObject({ status: 'done', outcome })
  expect(listToolCalls(store.read, turn_id)).toMatchObject([{ status }])
  // Whoever asks again is answered from the record.
  expect(await step(1)).toEqual(outcome)
  expect(count()).toBe(runs)
})

test.each<[ToolName, status: string, runs: number]>([
  ['write_file', 'unknown', 1],
  ['list_directory', 'success', 2],
])('%s whose asker dies while it runs ends as %s in the next attempt', async (name, status, runs) => {
  const asker = new AbortController()
  const died = async () => {
    if (asker.signal.aborted) return
    asker.abort(new RuntimeError('unavailable'))
    throw new RuntimeError('cancelled')
  }
  const { store, step, runs: count } = scene(name, died)
  await expect(step(1, asker.signal)).rejects.toMatchObject({ kind: 'cancelled' })
  expect(findStep(store.read, turn_id, seq)?.step).toMatchObject({ status: 'started', outcome: null })
  beginAttempt(store.write, turn_id)
  expect((await step(2)).status).toBe(status)
  expect(count()).toBe(runs)
})

test('what an attempt learns after the next one has begun is not written down', async () => {
  const { store, step } = scene('write_file', async () => {
    beginAttempt(store.write, turn_id)
  })
  await expect(step(1)).rejects.toMatchObject({ kind: 'conflict' })
  expect(findStep(store.read, turn_id, seq)?.step).toMatchObject({ status: 'started', outcome: null })
  expect((await step(2)).status).toBe('unknown')
})

test('a gated call leaves the journal as it was until a person has decided, and is then run once', async () => {
  const { store, step, runs, approvals } = scene('write_file', async () => {}, 'gate')
  expect(await step(1)).toMatchObject({ status: 'awaiting_approval' })
  expect(findStep(store.read, turn_id, seq)).toBeUndefined()
  // Whoever goes on with the turn is told the same, and nobody is asked twice.
  beginAttempt(store.write, turn_id)
  expect(await step(2)).toMatchObject({ status: 'awaiting_approval' })
  const [pending, ...more] = listPendingApprovals(store.read)
  expect(more).toEqual([])
  expect(pending).toMatchObject({ tool_name: 'write_file', tool_input: inputs.write_file, turn_id, seq })
  expect(listToolCalls(store.read, turn_id)).toMatchObject([{ status: 'awaiting_approval', approval_id: pending?.id }])
  approvals.decide(pending?.id ?? '', { status: 'approved', scope: 'once', decided_by: 'ann', reason: null })
  expect(() =>
    approvals.decide(pending?.id ?? '', { status: 'denied', scope: null, decided_by: 'bob', reason: null }),
  ).toThrow('is already Approved')
  const outcome = await step(2)
  expect(outcome).toMatchObject({ status: 'success' })
  expect(await step(2)).toEqual(outcome)
  expect(runs()).toBe(1)
})

test.each([
  ['denied', 'Denied by the operator: not today.'],
  ['timed_out', 'nobody decided in time'],
] as const)('a gated call that is %s never runs, and the model is told why', async (status, told) => {
  const { store, step, runs, approvals } = scene('write_file', async () => {}, 'gate')
  await step(1)
  const [pending] = listPendingApprovals(store.read)
  approvals.decide(pending?.id ?? '', { status, scope: null, decided_by: 'ann', reason: 'not today' })
  const outcome = await step(1)
  expect(outcome.status).toBe('denied')
  expect(outcome.output).toContain(told)
  expect(runs()).toBe(0)
})

test('an approved call that was cut off is unknown and is not run a second time', async () => {
  const asker = new AbortController()
  const { store, step, runs, approvals } = scene(
    'write_file',
    async () => {
      asker.abort(new RuntimeError('unavailable'))
      throw new RuntimeError('cancelled')
    },
    'gate',
  )
  await step(1)
  const [pending] = listPendingApprovals(store.read)
  approvals.decide(pending?.id ?? '', { status: 'approved', scope: 'once', decided_by: 'ann', reason: null })
  await expect(step(1, asker.signal)).rejects.toMatchObject({ kind: 'cancelled' })
  beginAttempt(store.write, turn_id)
  expect((await step(2)).status).toBe('unknown')
  expect(runs()).toBe(1)
})

const approve = { status: 'approved', scope: 'once', decided_by: 'ann', reason: null } as const

test('a gated call whose tool is not there yet after a start goes on waiting', async () => {
  const { step, runs, installed, approvals, pending } = scene('write_file', async () => {}, 'gate')
  await step(1)
  const { tools } = installed
  installed.tools = []
  expect(await step(1)).toMatchObject({ status: 'awaiting_approval' })
  installed.tools = tools
  approvals.decide(pending().id, approve)
  expect(await step(1)).toMatchObject({ status: 'success' })
  expect(runs()).toBe(1)
})

test('an approved call whose tool is gone ends as an error, and the approval is told as failed', async () => {
  const { step, runs, installed, approvals, pending, bus, store } = scene('write_file', async () => {}, 'gate')
  const told: string[] = []
  bus.subscribe(({ type }) => void told.push(type))
  await step(1)
  approvals.decide(pending().id, approve)
  installed.tools = []
  expect(await step(1)).toMatchObject({ status: 'error', output: 'There is no tool named write_file.' })
  expect(told.at(-1)).toBe('approval_replay_failed')
  expect(runs()).toBe(0)
  expect(listToolCalls(store.read, turn_id)).toMatchObject([{ status: 'error', approval_id: expect.any(String) }])
})

test('a denied call is told as denied, also when its tool is gone', async () => {
  const { step, installed, approvals, pending } = scene('write_file', async () => {}, 'gate')
  await step(1)
  approvals.decide(pending().id, { status: 'denied', scope: null, decided_by: 'ann', reason: null })
  installed.tools = []
  expect(await step(1)).toMatchObject({ status: 'denied', output: 'Denied by the operator.' })
})

test('a call that had begun is unknown, also when its tool is gone by then', async () => {
  const asker = new AbortController()
  const { store, step, installed } = scene('list_directory', async () => {
    asker.abort(new RuntimeError('unavailable'))
    throw new RuntimeError('cancelled')
  })
  await expect(step(1, asker.signal)).rejects.toMatchObject({ kind: 'cancelled' })
  beginAttempt(store.write, turn_id)
  installed.tools = []
  expect((await step(2)).status).toBe('unknown')
})

test('an approved call is judged again by the rules of the moment, and denied by them', async () => {
  const { step, runs, approvals, pending, forbid, store } = scene('write_file', async () => {}, 'gate')
  await step(1)
  const { id } = pending()
  approvals.decide(id, approve)
  forbid()
  expect((await step(1)).status).toBe('denied')
  expect(runs()).toBe(0)
  expect(listToolCalls(store.read, turn_id)).toMatchObject([{ status: 'denied', approval_id: id }])
})

test('an approval is used in the moment the step is on record as begun', async () => {
  const { step, approvals, pending, store } = scene(
    'write_file',
    async () => {
      const { id } = loadApproval(store.read, approvalId)
      expect(loadApproval(store.read, id).used_at).not.toBeNull()
      expect(findStep(store.read, turn_id, seq)?.step).toMatchObject({ status: 'started' })
    },
    'gate',
  )
  await step(1)
  const approvalId = pending().id
  approvals.decide(approvalId, approve)
  expect(loadApproval(store.read, approvalId).used_at).toBeNull()
  expect((await step(1)).status).toBe('success')
})

test('a call that a rule denies leaves its row, and nobody is asked', async () => {
  const { step, runs, store } = scene('write_file', async () => {}, 'deny')
  expect(await step(1)).toMatchObject({ status: 'denied' })
  expect(runs()).toBe(0)
  expect(listPendingApprovals(store.read)).toEqual([])
  expect(listToolCalls(store.read, turn_id)).toMatchObject([{ tool_name: 'write_file', status: 'denied' }])
})
