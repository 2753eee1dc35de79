import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ApprovalScene, openApprovalScene } from '../support/approval-scene.ts'
import { eventually } from '../support/daemon.ts'

let scene: ApprovalScene
const approvals = () => scene.keel.client.approvals

beforeAll(async () => {
  scene = await openApprovalScene(
    'enabled = true\ngated_tools = ["write_file", "tally_add"]\ngate_risk = "Forbidden"\nanswer_wait_seconds = 0',
  )
}, 30_000)
afterAll(() => scene.dispose())

afterEach(async () => {
  const { pending } = await approvals().listApprovals({ query: {} })
  for (const { id } of pending) await scene.deny(id)
  const { grants } = await approvals().listApprovalGrants()
  for (const { id } of grants) await approvals().deleteApprovalGrant({ params: { id } })
})

const put = (body: Record<string, unknown>) => scene.keel.client.config.updateConfig({ body })
const detail = (id: string) => approvals().getApproval({ params: { id } })

interface ErrorBody {
  error: string
}

function post(path: string, body?: string, headers: Record<string, string> = { 'content-type': 'application/json' }) {
  return scene.keel.fetch(path, { method: 'POST', ...(body !== undefined && { body, headers }) })
}

async function answerOf(response: Response) {
  return { status: response.status, body: (await response.json()) as ErrorBody }
}

describe('nothing', () => {
  test('waits at first', async () => {
    expect(await approvals().listApprovals({ query: {} })).toEqual({ pending: [], approvals: [], total: 0 })
    expect(await approvals().listApprovalGrants()).toEqual({ grants: [], count: 0 })
  })

  test.each([
    ['GET', '/api/approvals/nobody'],
    ['POST', '/api/approvals/nobody/approve'],
    ['POST', '/api/approvals/nobody/deny'],
    ['DELETE', '/api/approval-grants/nobody'],
  ])('%s %s is 404 and says so', async (method, path) => {
    const { status, body } = await answerOf(await scene.keel.fetch(path, { method }))
    expect(status).toBe(404)
    expect(body.error).toMatch(/nobody not found/)
  })

  test.each([
    ['GET', '/api/approvals'],
    ['GET', '/api/approvals/nobody'],
    ['POST', '/api/approvals/nobody/approve'],
    ['POST', '/api/approvals/nobody/deny'],
    ['GET', '/api/approval-grants'],
    ['DELETE', '/api/approval-grants/nobody'],
    ['GET', '/api/audit/policy'],
    ['GET', '/api/audit/tools'],
    ['GET', '/api/audit/policy/nobody'],
    ['GET', '/api/audit/tools/nobody'],
  ])('%s %s is shown to nobody without the key', async (method, path) => {
    expect((await fetch(scene.keel.url + path, { method })).status).toBe(401)
  })
})

describe('a gated call', () => {
  test('is listed with all that a person needs to decide', async () => {
    const asked = await scene.ask('note bread')
    const { pending } = await approvals().listApprovals({ query: {} })
    expect(pending).toHaveLength(1)
    expect(pending[0]).toMatchObject({
      id: asked.request,
      tool_name: 'write_file',
      tool_version: '0.1.0',
      session_id: asked.session_id,
      turn_id: asked.turn_id,
      agent_id: 'keel',
      channel: 'web',
      requested_authority: 'Creator',
      risk_level: 'Caution',
      policy_rule: 'approval',
      policy_reason: "tool 'write_file' needs an approval",
      status: 'Pending',
      scope: null,
      decided_by: null,
      decided_at: null,
      reason: null,
      used_at: null,
    })
    expect(JSON.parse(pending[0]?.tool_input ?? '')).toEqual({ path: 'notes.txt', content: 'bread\n', append: true })
    const { created_at, timeout_at, expires_in_seconds = 0 } = pending[0] ?? {}
    expect(Date.parse(timeout_at ?? '') - Date.parse(created_at ?? '')).toBeGreaterThanOrEqual(299_000)
    expect(expires_in_seconds).toBeGreaterThan(290)
    expect(expires_in_seconds).toBeLessThanOrEqual(300)
    expect(await detail(asked.request)).toEqual({
      ...pending[0],
      expires_in_seconds: expect.any(Number),
      tool_call: { id: expect.any(String), status: 'awaiting_approval', output: null, duration_ms: null },
    })
    const { diagnostics } = await scene.keel.client.agent.getAgentStatus()
    expect(diagnostics.pending_approvals).toBe(1)
  })

  test('is found by its status, in windows, newest first', async () => {
    const { total: before } = await approvals().listApprovals({ query: {} })
    const ids: string[] = []
    for (const note of ['one', 'two', 'three']) ids.unshift((await scene.ask(`note ${note}`)).request)
    await scene.deny(ids[1] ?? '')
    const list = async (query: object) => {
      const { approvals: found } = await approvals().listApprovals({ query })
      return found.map(({ id }) => id)
    }
    expect((await approvals().listApprovals({ query: {} })).total).toBe(before + 3)
    expect((await list({})).slice(0, 3)).toEqual(ids)
    expect(await list({ limit: 1, offset: 1 })).toEqual([ids[1]])
    expect(await list({ status: 'pending' })).toEqual([ids[0], ids[2]])
    expect((await list({ status: 'Denied' }))[0]).toBe(ids[1])
    expect(await list({ status: 'approved', offset: 1_000 })).toEqual([])
    const { status, body } = await answerOf(await scene.keel.fetch('/api/approvals?status=open'))
    expect(status).toBe(400)
    expect(body.error).toContain('status')
    expect((await scene.keel.fetch('/api/approvals?limit=some')).status).toBe(400)
  })

  test.each<[what: string, body: string, says: string | RegExp, status?: number]>([
    [
      'a name that is too long',
      JSON.stringify({ decided_by: 'x'.repeat(257) }),
      /decided_by.* exceeds max length of 256/,
    ],
    [
      'the same by its other name',
      JSON.stringify({ operator: 'x'.repeat(257) }),
      /operator.* exceeds max length of 256/,
    ],
    ['a reason that is too long', JSON.stringify({ reason: 'x'.repeat(4_097) }), 'reason'],
    ['a scope that is none', JSON.stringify({ scope: 'forever' }), 'scope'],
    ['a name that is a number', JSON.stringify({ decided_by: 7 }), 'decided_by'],
    ['a body that is a list', '[]', 'must be an object'],
    ['a body that is no JSON', '{', /JSON/],
  ])('is not decided by %s', async (_, body, says) => {
    const { request } = await scene.ask('note pears')
    for (const verb of ['approve', 'deny']) {
      const answer = await answerOf(await post(`/api/approvals/${request}/${verb}`, body))
      expect(answer.status).toBe(400)
      expect(answer.body.error).toMatch(says)
    }
    expect((await detail(request)).status).toBe('Pending')
    expect((await post(`/api/approvals/${request}/approve`, 'yes', { 'content-type': 'text/plain' })).status).toBe(415)
  })

  test('that is approved without a word runs once and its turn goes on; a second decision is 409', async () => {
    const { request, session_id, turn_id } = await scene.ask('note milk')
    const response = await post(`/api/approvals/${request}/approve`)
    expect(response.status).toBe(200)
    const decided = (await response.json()) as { approval: object }
    expect(decided).toMatchObject({ replay_queued: true, status: 'approved' })
    expect(decided.approval).toMatchObject({ id: request, status: 'Approved', decided_by: 'api', scope: 'once' })
    expect(await scene.told(session_id)).toContain('write_file: success')
    expect(scene.notes('milk')).toBe(1)
    for (const verb of ['approve', 'deny']) {
      const again = await answerOf(await post(`/api/approvals/${request}/${verb}`))
      expect(again.status).toBe(409)
      expect(again.body.error).toContain('is already Approved')
    }
    expect(await detail(request)).toMatchObject({ used_at: expect.any(String), tool_call: { status: 'success' } })
    const { decisions } = await scene.keel.client.audit.listPolicyDecisions({ params: { turn_id } })
    expect(decisions.map(({ decision, rule_name, reason }) => [decision, rule_name, reason])).toEqual([
      ['gate', 'approval', "tool 'write_file' needs an approval"],
      ['allow', 'approval', 'approved by api'],
    ])
  })

  test('that is denied never runs, and both the model and the audit are told why', async () => {
    const { request, session_id, turn_id } = await scene.ask('note beer')
    const denied = await scene.deny(request, { decided_by: 'ann', reason: 'not on a Friday' })
    expect(denied).toMatchObject({ id: request, status: 'Denied', status_text: 'denied', reason: 'not on a Friday' })
    expect(await scene.told(session_id)).toContain('Denied by the operator: not on a Friday.')
    expect(scene.notes('beer')).toBe(0)
    const { audit } = scene.keel.client
    const { tool_calls } = await audit.listToolAudit({ params: { turn_id } })
    expect(tool_calls).toMatchObject([{ tool_name: 'write_file', status: 'denied', approval_id: request }])
    const { decisions } = await audit.listPolicyDecisions({ params: { turn_id } })
    expect(decisions).toMatchObject([
      { decision: 'gate' },
      { decision: 'deny', rule_name: 'approval', reason: 'Denied by the operator: not on a Friday.' },
    ])
  })

  test('is decided by a name without what a terminal would act on', async () => {
    const { request } = await scene.ask('note figs')
    const denied = await scene.deny(request, { operator: ' an\u001b[2Jn\u202e\r ', reason: 'no\u0007pe\nreally' })
    expect(denied).toMatchObject({ decided_by: 'an[2Jn', reason: 'nope\nreally' })
  })

  test('that twenty people approve at once is approved by one of them and runs once', async () => {
    const { request, session_id } = await scene.ask('note eggs')
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        post(`/api/approvals/${request}/${i % 2 === 0 ? 'approve' : 'deny'}`, JSON.stringify({ decided_by: `p${i}` })),
      ),
    )
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 409)).toHaveLength(19)
    await scene.told(session_id)
    const { status } = await detail(request)
    expect(scene.notes('eggs')).toBe(status === 'Approved' ? 1 : 0)
  })

  test('that nobody decides expires though nobody asks, and can not be decided any more', async () => {
    await put({ approvals: { timeout_seconds: 1 } })
    const { request, session_id } = await scene.ask('note plums')
    await put({ approvals: { timeout_seconds: 300 } })
    expect(await scene.told(session_id)).toContain('nobody decided in time')
    expect(await detail(request)).toMatchObject({ status: 'TimedOut', decided_by: null, expires_in_seconds: 0 })
    const late = await answerOf(await post(`/api/approvals/${request}/approve`))
    expect(late.status).toBe(409)
    expect(late.body.error).toContain('is already TimedOut')
    expect(scene.notes('plums')).toBe(0)
  })

  test('that is blocked while it waits does not run though it is approved', async () => {
    const { request, session_id, turn_id } = await scene.ask('note wine')
    await put({ approvals: { blocked_tools: ['write_*'] } })
    await scene.approve(request)
    const told = await scene.told(session_id)
    await put({ approvals: { blocked_tools: [] } })
    expect(told).toContain("tool 'write_file' is blocked by policy")
    expect(scene.notes('wine')).toBe(0)
    const { decisions } = await scene.keel.client.audit.listPolicyDecisions({ params: { turn_id } })
    expect(decisions.at(-1)).toMatchObject({ decision: 'deny', rule_name: 'blocked_tools', approval_id: request })
  })

  test('whose turn is cancelled is withdrawn, and leaves nothing open', async () => {
    const { request, turn_id } = await scene.ask('note rum')
    await scene.keel.client.turns.cancelTurn({ params: { id: turn_id } })
    await eventually('it is withdrawn', async () => (await detail(request)).status === 'Denied')
    expect(await detail(request)).toMatchObject({ decided_by: 'keel', reason: 'its turn is over' })
    await expect(scene.approve(request)).rejects.toMatchObject({ kind: 'conflict' })
    const { tool_calls } = await scene.keel.client.audit.listToolAudit({ params: { turn_id } })
    expect(tool_calls).toMatchObject([{ status: 'denied', output: 'The turn ended before anybody allowed it.' }])
    expect(scene.notes('rum')).toBe(0)
  })
})

describe('a standing approval', () => {
  test('for a session holds for exactly this call in this session', async () => {
    const first = await scene.ask('note tea')
    await scene.approve(first.request, { scope: 'session', decided_by: 'ann' })
    await scene.told(first.session_id)
    const { grants, count } = await approvals().listApprovalGrants()
    expect(count).toBe(1)
    expect(grants).toMatchObject([
      {
        tool_name: 'write_file',
        session_id: first.session_id,
        approval_id: first.request,
        requested_authority: 'Creator',
        decided_by: 'ann',
      },
    ])
    const again = await scene.ask('Note tea', first.session_id)
    expect(again.pending_approvals).toEqual([])
    expect(scene.notes('tea')).toBe(2)
    const { decisions } = await scene.keel.client.audit.listPolicyDecisions({ params: { turn_id: again.turn_id } })
    expect(decisions).toMatchObject([{ decision: 'allow', rule_name: 'approval_grant', approval_id: first.request }])
    expect((await scene.ask('note tea')).pending_approvals).toHaveLength(1)
    expect((await scene.ask('note green tea', first.session_id)).pending_approvals).toHaveLength(1)
  })

  test('for always holds in every session until it is taken back', async () => {
    const first = await scene.ask('note salt')
    await scene.approve(first.request, { scope: 'always' })
    await scene.told(first.session_id)
    expect((await scene.ask('note salt')).content).toContain('write_file: success')
    const id = (await approvals().listApprovalGrants()).grants[0]?.id ?? ''
    expect(await approvals().deleteApprovalGrant({ params: { id } })).toEqual({ id, deleted: true })
    await expect(approvals().deleteApprovalGrant({ params: { id } })).rejects.toMatchObject({ kind: 'not_found' })
    expect((await scene.ask('note salt')).pending_approvals).toHaveLength(1)
  })
})
