import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApprovalScene, openApprovalScene } from '../support/approval-scene.ts'
import { eventually } from '../support/daemon.ts'

let scene: ApprovalScene

beforeAll(async () => {
  scene = await openApprovalScene('enabled = true\ngated_tools = ["tally_add"]\nanswer_wait_seconds = 0')
  await scene.keel.client.plugins.enablePlugin({ params: { name: 'tally' } })
}, 30_000)
afterAll(() => scene.dispose())

const audit = () => scene.keel.client.audit
const put = (body: Record<string, unknown>) => scene.keel.client.config.updateConfig({ body })
const detail = (id: string) => scene.keel.client.approvals.getApproval({ params: { id } })
const newest = async () => ({
  decision: (await audit().listRecentDecisions({ query: { limit: 1 } })).decisions[0],
  call: (await audit().listRecentToolCalls({ query: { limit: 1 } })).tool_calls[0],
})

/** As a plugin's page and any other client of the API call a tool. */
async function execute(tool: string, input: object = {}) {
  const response = await scene.keel.fetch(`/api/plugins/tally/execute/${tool}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(input),
  })
  const body = (await response.json()) as {
    request_id?: string
    error?: string
    result?: { output: string }
    status?: string
  }
  return { ...body, status: response.status, request: body.request_id ?? '' }
}

const sum = async () => JSON.parse((await execute('tally_read')).result?.output ?? '{}').sum as number

describe('of a turn', () => {
  test('that nobody knows there is nothing', async () => {
    expect(await audit().listPolicyDecisions({ params: { turn_id: 'nobody' } })).toEqual({
      turn_id: 'nobody',
      decisions: [],
    })
    expect(await audit().listToolAudit({ params: { turn_id: 'nobody' } })).toEqual({
      turn_id: 'nobody',
      tool_calls: [],
    })
  })

  test('an allowed call is told with who asked, why they may, and what came of it', async () => {
    const { turn_id } = await scene.ask('note salad')
    const { decisions } = await audit().listPolicyDecisions({ params: { turn_id } })
    expect(decisions).toMatchObject([
      {
        tool_name: 'write_file',
        decision: 'allow',
        rule_name: 'rules',
        reason: null,
        authority: 'Creator',
        risk_level: 'Caution',
        approval_id: null,
        context: { channel: 'web', sources: ['api'], ceiling: null, threat_score: 0, source: { kind: 'builtin' } },
      },
    ])
    const { tool_calls } = await audit().listToolAudit({ params: { turn_id } })
    expect(tool_calls).toMatchObject([
      { tool_name: 'write_file', status: 'success', duration_ms: expect.any(Number), error: null, plugin: null },
    ])
    expect(JSON.parse(tool_calls[0]?.input ?? '')).toMatchObject({ path: 'notes.txt' })
  })

  test('a denied call is told by the rule that denied it, and leaves its row', async () => {
    const { turn_id, content } = await scene.ask('read ../../etc/passwd')
    expect(content).toContain('Denied: ')
    const { decisions } = await audit().listPolicyDecisions({ params: { turn_id } })
    expect(decisions).toMatchObject([{ tool_name: 'read_file', decision: 'deny', rule_name: 'path_protection' }])
    const { tool_calls } = await audit().listToolAudit({ params: { turn_id } })
    expect(tool_calls).toMatchObject([{ tool_name: 'read_file', status: 'denied', duration_ms: 0 }])
    expect(tool_calls[0]?.error).toContain(decisions[0]?.reason)
  })

  test('secrets are not kept', async () => {
    const secret = `sk-${'a1B2'.repeat(12)}`
    const { turn_id } = await scene.ask(`note key ${secret}`)
    expect(scene.notes(`key ${secret}`)).toBe(1)
    const told = JSON.stringify([
      await audit().listToolAudit({ params: { turn_id } }),
      await audit().listPolicyDecisions({ params: { turn_id } }),
    ])
    expect(told).not.toContain(secret)
  })
})

describe('of a call over the API', () => {
  test('an allowed one is on record as one of no turn', async () => {
    expect((await execute('tally_read')).status).toBe(200)
    const { decision, call } = await newest()
    expect(decision).toMatchObject({
      turn_id: null,
      tool_name: 'tally_read',
      decision: 'allow',
      rule_name: 'rules',
      context: { channel: 'api', sources: ['api'], source: { kind: 'plugin', plugin: 'tally' } },
    })
    expect(call).toMatchObject({ turn_id: null, tool_name: 'tally_read', plugin: 'tally', status: 'success' })
  })

  test('a gated one waits, runs once when it is allowed, and its outcome is found by its request', async () => {
    const before = await sum()
    const { status, request } = await execute('tally_add', { by: 5 })
    expect(status).toBe(202)
    expect((await newest()).call).toMatchObject({ status: 'awaiting_approval', approval_id: request, turn_id: null })
    // It was made in no session: to hold in this one it would have to hold in all.
    const widened = scene.approve(request, { scope: 'session' })
    await expect(widened).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('scope') })
    expect(await detail(request)).toMatchObject({ status: 'Pending', scope: null })
    expect((await scene.keel.client.approvals.listApprovalGrants()).count).toBe(0)

    await scene.approve(request, { decided_by: 'ann' })
    await eventually('it has run', async () => (await detail(request)).tool_call?.status === 'success')
    expect(await sum()).toBe(before + 5)
    await expect(scene.approve(request)).rejects.toMatchObject({ kind: 'conflict' })
    const { decisions } = await audit().listRecentDecisions({ query: { tool: 'tally_add', limit: 2 } })
    expect(decisions).toMatchObject([
      { decision: 'allow', rule_name: 'approval', reason: 'approved by ann', approval_id: request },
      { decision: 'gate', rule_name: 'approval', approval_id: request },
    ])
  })

  test('a gated one that is denied has never run, and its row says so', async () => {
    const before = await sum()
    const { request } = await execute('tally_add', { by: 7 })
    await scene.deny(request, { reason: 'enough' })
    expect((await detail(request)).tool_call).toMatchObject({
      status: 'denied',
      output: 'Denied by the operator: enough.',
    })
    expect(await sum()).toBe(before)
  })

  test('an always holds for the same call of whoever makes it: a page, the API, the agent', async () => {
    const before = await sum()
    const { request } = await execute('tally_add', { by: 3 })
    await scene.approve(request, { scope: 'always' })
    await eventually('it has run', async () => (await detail(request)).tool_call?.status === 'success')
    expect((await execute('tally_add', { by: 3 })).status).toBe(200)
    expect((await scene.ask('add 3')).content).toContain('tally_add: success')
    expect((await execute('tally_add', { by: 4 })).status).toBe(202)
    expect((await scene.ask('add 4')).pending_approvals).toHaveLength(1)
    expect(await sum()).toBe(before + 9)
    // The first call is still the one that the approval tells of.
    const { id } = (await detail(request)).tool_call ?? {}
    const { tool_calls } = await audit().listRecentToolCalls({ query: { tool: 'tally_add', status: 'success' } })
    expect(tool_calls.filter(({ approval_id }) => approval_id === request).at(-1)?.id).toBe(id)
  })

  test('a blocked one is refused like any other, on record', async () => {
    await put({ approvals: { blocked_tools: ['tally_read'] } })
    const { status, error } = await execute('tally_read')
    await put({ approvals: { blocked_tools: [] } })
    expect(status).toBe(403)
    expect(error).toContain("tool 'tally_read' is blocked by policy")
    const { decision, call } = await newest()
    expect(decision).toMatchObject({ decision: 'deny', rule_name: 'blocked_tools', turn_id: null })
    expect(call).toMatchObject({ tool_name: 'tally_read', status: 'denied', plugin: 'tally' })
  })

  test('a dangerous one without approvals is refused at the gate, on record', async () => {
    await put({ approvals: { enabled: false } })
    const { status, error } = await execute('tally_wipe')
    await put({ approvals: { enabled: true } })
    expect(status).toBe(403)
    expect(error).toContain('Dangerous-level')
    const { decision, call } = await newest()
    expect(decision).toMatchObject({ tool_name: 'tally_wipe', decision: 'deny', rule_name: 'tool_policy' })
    expect(call).toMatchObject({ tool_name: 'tally_wipe', status: 'denied' })
    // With them it is asked about.
    expect((await execute('tally_wipe')).status).toBe(202)
  })

  test('one whose tool is gone or changed uses its approval up', async () => {
    const { request } = await execute('tally_add', { by: 100 })
    const before = await sum()
    await scene.keel.client.plugins.disablePlugin({ params: { name: 'tally' } })
    await scene.approve(request)
    await eventually('it is refused', async () => (await detail(request)).used_at !== null)
    expect((await detail(request)).tool_call).toMatchObject({
      status: 'denied',
      output: 'Denied: there is no tool named tally_add any more',
    })
    await scene.keel.client.plugins.enablePlugin({ params: { name: 'tally' } })
    expect(await sum()).toBe(before)
  })
})

describe('the lists of all calls', () => {
  test('are filtered and windowed', async () => {
    const { decisions } = await audit().listRecentDecisions({ query: { decision: 'deny' } })
    expect(new Set(decisions.map(({ decision }) => decision))).toEqual(new Set(['deny']))
    const all = await audit().listRecentToolCalls({ query: {} })
    expect(all).toMatchObject({ limit: 200, offset: 0 })
    const second = await audit().listRecentToolCalls({ query: { limit: 1, offset: 1 } })
    expect(second.tool_calls).toEqual([all.tool_calls[1]])
    const { tool_calls: denied } = await audit().listRecentToolCalls({
      query: { status: 'denied', tool: 'tally_read' },
    })
    expect(denied.map(({ tool_name, status }) => `${tool_name} ${status}`)).toEqual(['tally_read denied'])
    expect((await scene.keel.fetch('/api/audit/policy?decision=maybe')).status).toBe(400)
    expect((await scene.keel.fetch('/api/audit/tools?limit=some')).status).toBe(400)
  })
})
