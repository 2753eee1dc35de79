import { describe, expect, test } from 'vitest'
import { maxGrants, maxPending, maxPendingInSession } from '#kernel/approvals/approvals.ts'
import { insertGrant, listPendingApprovals } from '#kernel/store/approvals.ts'
import { listRecentDecisions } from '#kernel/store/policy-decisions.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import { listRecentToolCalls } from '#kernel/store/tool-calls.ts'
import { admit, readmit, subjectOf, type WantedCall } from '#kernel/tools/gate.ts'
import type { Tool, ToolCaller } from '#kernel/tools/tool.ts'
import { openToolbox } from '#kernel/tools/toolbox.ts'
import { apiCaller, notingTool, openGate } from '../support/gate-scene.ts'

const once = { status: 'approved', scope: 'once', decided_by: 'ann', reason: null } as const
const always = { ...once, scope: 'always' } as const
const all = { tool: null, decision: null, status: null, limit: 1_000, offset: 0 }

function wanted(
  input: Record<string, unknown>,
  caller: Partial<ToolCaller> = {},
  tool: Partial<Tool> = {},
): WantedCall {
  return { tool: notingTool(tool).tool, input, caller: { ...apiCaller, ...caller }, seq: null }
}

function gated(gate: ReturnType<typeof openGate>, call: WantedCall) {
  const admission = admit(call, gate)
  if (admission.decision !== 'gate') throw new Error(`It is not gated: ${JSON.stringify(admission)}`)
  return admission.approval
}

describe('an approval is bound', () => {
  const subject = (input: Record<string, unknown>, tool: Partial<Tool> = {}) => subjectOf(wanted(input, {}, tool))

  test('to the values of its input, however its fields are ordered', () => {
    expect(subject({ to: 'ann', body: { a: 1, b: [1, 2] } })).toBe(subject({ body: { b: [1, 2], a: 1 }, to: 'ann' }))
  })

  test.each<[what: string, other: Record<string, unknown>, tool?: Partial<Tool>]>([
    ['another value', { to: ['ann'], n: { a: 2 } }],
    ['one more field', { to: ['ann'], n: { a: 1 }, cc: 'bob' }],
    ['a number as text', { to: ['ann'], n: { a: '1' } }],
    ['another order of a list', { to: ['bob', 'ann'], n: { a: 1 } }],
    ['a list that spells the fields of an object', { to: ['ann'], n: [['a', 1]] }],
    ['a field that only looks like a prototype', JSON.parse('{"to":["ann"],"n":{"a":1},"__proto__":{"x":1}}')],
    ['another version', { to: ['ann'], n: { a: 1 } }, { version: '2' }],
    ['another tool', { to: ['ann'], n: { a: 1 } }, { name: 'send_letter' }],
    [
      'a version that depends on the input',
      { to: ['ann'], n: { a: 1 } },
      { conditions: () => ({ version: 'digest' }) },
    ],
  ])('to nothing that differs by %s', (_, other, tool = {}) => {
    expect(subject(other, tool)).not.toBe(subject({ to: ['ann'], n: { a: 1 } }))
  })

  test('to what is there when it is used: a changed tool is another call', () => {
    const gate = openGate()
    const approval = gated(gate, wanted({ to: 'ann' }))
    const approved = gate.approvals.decide(approval.id, once)
    const changed = readmit(wanted({ to: 'ann' }, {}, { version: '2' }), approved, gate)
    expect(changed).toMatchObject({ decision: 'deny', reason: 'send_note has changed since it was approved' })
    expect(readmit(wanted({ to: 'ann' }), approved, gate)).toEqual({ decision: 'allow', approval_id: approval.id })
    const decisions = listRecentDecisions(gate.store.read, all)
    expect(decisions.map(({ decision, rule_name, approval_id }) => [decision, rule_name, approval_id])).toEqual([
      ['allow', 'approval', approval.id],
      ['deny', 'approval', approval.id],
      ['gate', 'approval', approval.id],
    ])
  })

  test('by no rule of before: what denies now denies what was approved', () => {
    const gate = openGate()
    const approved = gate.approvals.decide(gated(gate, wanted({})).id, once)
    gate.settings.blocked_tools = ['send_note']
    expect(readmit(wanted({}), approved, gate)).toMatchObject({ decision: 'deny', rule: 'blocked_tools' })
    gate.settings.blocked_tools = []
    const refusing = wanted({}, {}, { conditions: () => ({ deny: 'the skill is disabled' }) })
    expect(readmit(refusing, approved, gate)).toMatchObject({ decision: 'deny', reason: 'the skill is disabled' })
  })
})

describe('a standing approval', () => {
  const allowedBy = (gate: ReturnType<typeof openGate>, call: WantedCall) => {
    const admission = admit(call, gate)
    return admission.decision === 'allow' ? admission.approval_id : admission.decision
  }

  test('holds for who is trusted as much, and nobody below', () => {
    const gate = openGate()
    const approval = gated(gate, wanted({}, { authority: 'SelfGenerated' }))
    gate.approvals.decide(approval.id, always)
    expect(allowedBy(gate, wanted({}, { authority: 'Creator' }))).toBe(approval.id)
    expect(allowedBy(gate, wanted({}, { authority: 'SelfGenerated' }))).toBe(approval.id)
    expect(allowedBy(gate, wanted({}, { authority: 'Peer' }))).toBe('gate')
    // Asked for by a peer, it holds for peers too.
    const [ofPeer] = listPendingApprovals(gate.store.read)
    gate.approvals.decide(ofPeer?.id ?? '', always)
    expect(allowedBy(gate, wanted({}, { authority: 'Peer' }))).toBe(ofPeer?.id)
    expect(allowedBy(gate, wanted({}, { authority: 'External' }))).toBe('gate')
  })

  test('for a session holds there alone, and goes with it', () => {
    const gate = openGate()
    const { id: session_id } = insertSession(gate.store.write, { agent_id: 'keel', scope_key: 'agent' })
    const approval = gated(gate, wanted({}, { session_id }))
    gate.approvals.decide(approval.id, { ...once, scope: 'session' })
    expect(allowedBy(gate, wanted({}, { session_id }))).toBe(approval.id)
    expect(allowedBy(gate, wanted({}, { session_id: null }))).toBe('gate')
    expect(allowedBy(gate, wanted({}, { session_id: 'another' }))).toBe('gate')
  })

  test('for a session is none where there is no session: the request stays undecided', () => {
    const gate = openGate()
    const { id } = gated(gate, wanted({}))
    expect(() => gate.approvals.decide(id, { ...once, scope: 'session' })).toThrow("scope: 'session' needs a call")
    expect(listPendingApprovals(gate.store.read)).toMatchObject([{ id, status: 'pending', scope: null }])
  })

  test('is not given past the bound, and the request stays undecided', () => {
    const gate = openGate()
    const grant = { session_id: null, approval_id: 'earlier', tool_name: 'send_note', tool_input: '{}' }
    const given = { ...grant, authority: 'Creator', decided_by: 'ann' } as const
    gate.store.write.transaction(() => {
      for (let i = 0; i < maxGrants; i++) insertGrant(gate.store.write, { ...given, subject: `subject ${i}` })
    })()
    const { id } = gated(gate, wanted({ i: maxGrants }))
    expect(() => gate.approvals.decide(id, always)).toThrow(`${maxGrants} standing approvals`)
    expect(gate.approvals.decide(id, once)).toMatchObject({ status: 'approved', scope: 'once' })
  })

  test('does not let through what a rule denies', () => {
    const gate = openGate()
    gate.approvals.decide(gated(gate, wanted({})).id, always)
    gate.settings.blocked_tools = ['send_note']
    expect(allowedBy(gate, wanted({}))).toBe('deny')
  })
})

describe('a flood of requests', () => {
  test('is denied past the bound of its session, and leaves room for others', () => {
    const gate = openGate()
    for (let i = 0; i < maxPendingInSession; i++) gated(gate, wanted({ i }, { session_id: 'loud' }))
    expect(admit(wanted({ more: true }, { session_id: 'loud' }), gate)).toMatchObject({
      decision: 'deny',
      rule: 'approval_limit',
      reason: `${maxPendingInSession} calls of this session wait for an approval already`,
    })
    const { id } = gated(gate, wanted({}, { session_id: 'quiet' }))
    gate.approvals.decide(id, once)
  })

  test('is denied past the bound of all, until some are decided', () => {
    const gate = openGate()
    for (let i = 0; i < maxPending; i++) gated(gate, wanted({ i }))
    expect(admit(wanted({ more: true }), gate)).toMatchObject({ decision: 'deny', rule: 'approval_limit' })
    expect(listRecentDecisions(gate.store.read, all)[0]).toMatchObject({
      decision: 'deny',
      rule_name: 'approval_limit',
    })
    expect(listPendingApprovals(gate.store.read)).toHaveLength(maxPending)
    const [first] = listPendingApprovals(gate.store.read)
    gate.approvals.decide(first?.id ?? '', { ...once, status: 'denied', scope: null })
    gated(gate, wanted({ more: true }))
  })
})

test('a request is kept together with its decision and its row, or not at all', () => {
  const gate = openGate()
  const approval = gated(gate, wanted({ to: 'ann' }))
  expect(listRecentDecisions(gate.store.read, all)).toMatchObject([{ decision: 'gate', approval_id: approval.id }])
  expect(listRecentToolCalls(gate.store.read, all)).toMatchObject([
    { status: 'awaiting_approval', approval_id: approval.id, plugin: 'notes' },
  ])
  // Its turn is not there: the row can not be stored, and so the request is not.
  expect(() => admit({ ...wanted({}, { turn_id: 'nobody' }), seq: 1 }, gate)).toThrow()
  expect(listPendingApprovals(gate.store.read)).toHaveLength(1)
})

test('two plugins with a tool of one name do not slip from a rule for that name', () => {
  const gate = openGate({ gated_tools: [], blocked_tools: ['send_note'] })
  const other = notingTool({ source: { kind: 'plugin', plugin: 'letters', tool: 'send_note' } }).tool
  const toolbox = openToolbox([() => [notingTool().tool, other]])
  expect(toolbox.list().map(({ name }) => name)).toEqual(['notes__send_note', 'letters__send_note'])
  for (const tool of toolbox.list())
    expect(admit({ ...wanted({}), tool }, gate)).toMatchObject({ decision: 'deny', rule: 'blocked_tools' })
})
