import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream
let turnId: string
let sessionId: string

beforeAll(async () => {
  upstream = await startUpstream([
    {
      toolCalls: [
        { name: 'list_directory', arguments: '{}' },
        { name: 'read_file', arguments: '{"path":"/etc/passwd"}' },
      ],
    },
    { text: 'There is nothing there.', reasoning: 'I looked.' },
  ])
  keel = await startDaemon({ config: upstreamConfig(upstream.url) })
  const answer = await keel.client.agent.sendMessage({ body: { content: 'What is in the workspace?' } })
  turnId = answer.turn_id
  sessionId = answer.session_id
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

const absent = { params: { id: 'nobody' } }

describe('turns', () => {
  test('are listed with their numbers, and an unknown session has none', async () => {
    const { turns, total } = await keel.client.turns.listSessionTurns({ params: { id: sessionId } })
    expect(total).toBe(1)
    expect(turns).toMatchObject([
      {
        id: turnId,
        status: 'ok',
        model: 'mock/test-model',
        tokens_in: 22,
        tokens_out: 14,
        thinking: 'I looked.',
        react_turns: 1,
        cached: false,
      },
    ])
    expect((await keel.client.turns.listSessionTurns(absent)).turns).toEqual([])
  })

  test('tell what the model was shown, within the budget', async () => {
    const context = await keel.client.turns.getTurnContext({ params: { id: turnId } })
    expect(context).toMatchObject({
      snapshot: true,
      complexity_level: 'L0',
      tool_call_count: 2,
      tool_failure_count: 1,
      dropped_history: 0,
    })
    expect(context.system_prompt_tokens).toBeGreaterThan(0)
    expect(context.total_tokens).toBeLessThanOrEqual(context.token_budget)
  })

  test('tell which tools ran and which were denied, and by which rule', async () => {
    const { tool_calls } = await keel.client.turns.listTurnTools({ params: { id: turnId } })
    expect(tool_calls).toMatchObject([
      { tool_name: 'list_directory', status: 'success', error: null, duration_ms: expect.any(Number) },
      { tool_name: 'read_file', status: 'denied', error: expect.stringContaining('/etc/passwd') },
    ])
    const { decisions } = await keel.client.audit.listPolicyDecisions({ params: { turn_id: turnId } })
    expect(decisions).toMatchObject([
      { tool_name: 'list_directory', decision: 'allow', authority: 'Creator', risk_level: 'Caution' },
      {
        tool_name: 'read_file',
        decision: 'deny',
        rule_name: 'path_protection',
        reason: expect.stringContaining('/etc/passwd'),
      },
    ])
    const audit = await keel.client.audit.listToolAudit({ params: { turn_id: turnId } })
    expect(audit.tool_calls.map(({ input }) => input)).toEqual(['{}', '{"path":"/etc/passwd"}'])
  })

  test('tell why this model', async () => {
    const selection = await keel.client.turns.getTurnModelSelection({ params: { id: turnId } })
    expect(selection).toMatchObject({
      selected_model: 'mock/test-model',
      strategy: 'primary_usable',
      session_id: sessionId,
    })
    expect(selection.events).toHaveLength(2)
    expect(selection.candidates).toMatchObject([{ model: 'mock/test-model', usable: true, note: 'usable' }])
  })

  test('that nobody knows are 404, and lists about them are empty', async () => {
    for (const ask of [
      keel.client.turns.getTurn,
      keel.client.turns.getTurnContext,
      keel.client.turns.getTurnModelSelection,
      keel.client.turns.cancelTurn,
    ]) {
      await expect(ask(absent)).rejects.toMatchObject({ kind: 'not_found' })
    }
    expect((await keel.client.turns.listTurnTools(absent)).tool_calls).toEqual([])
    const audit = { params: { turn_id: 'nobody' } }
    expect(await keel.client.audit.listPolicyDecisions(audit)).toEqual({ turn_id: 'nobody', decisions: [] })
    expect(await keel.client.audit.listToolAudit(audit)).toEqual({ turn_id: 'nobody', tool_calls: [] })
  })
})

describe('feedback', () => {
  const params = () => ({ params: { id: turnId } })

  test('is absent at first', async () => {
    await expect(keel.client.feedback.getTurnFeedback(params())).rejects.toMatchObject({
      message: `no feedback for turn ${turnId}`,
    })
    expect(await keel.client.feedback.listSessionFeedback({ params: { id: sessionId } })).toEqual({ feedback: [] })
  })

  test('keeps its comment through a new grade, and its id; null clears the comment', async () => {
    const first = await keel.client.feedback.updateTurnFeedback({ ...params(), body: { grade: 4, comment: 'helpful' } })
    expect(first).toEqual({ turn_id: turnId, grade: 4, updated: true })
    const second = await keel.client.feedback.createTurnFeedback({ ...params(), body: { grade: 5 } })
    const kept = await keel.client.feedback.getTurnFeedback(params())
    expect(kept).toMatchObject({
      id: second.id,
      grade: 5,
      comment: 'helpful',
      source: 'dashboard',
      session_id: sessionId,
    })
    await keel.client.feedback.updateTurnFeedback({ ...params(), body: { grade: 5, comment: null } })
    expect((await keel.client.feedback.getTurnFeedback(params())).comment).toBeNull()
    expect((await keel.client.feedback.listSessionFeedback({ params: { id: sessionId } })).feedback).toHaveLength(1)
  })

  test.each([0, 6, 3.5, '4'])('a grade of %j is refused, also for a turn that nobody knows', async (grade) => {
    for (const id of [turnId, 'nobody']) {
      const answer = await keel.fetch(`/api/turns/${id}/feedback`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ grade }),
      })
      expect(answer.status).toBe(400)
      expect(((await answer.json()) as { error: string }).error).toMatch(/^grade/)
    }
    await expect(keel.client.feedback.createTurnFeedback({ ...absent, body: { grade: 3 } })).rejects.toMatchObject({
      kind: 'not_found',
    })
  })
})

describe('costs', () => {
  test('have a row for each call and a sum over them', async () => {
    await eventually('two rows', async () => (await keel.client.stats.listCosts({})).costs.length === 2)
    const { costs, summary, total } = await keel.client.stats.listCosts({ query: { hours: 24 } })
    expect(
      costs.every(
        ({ model, provider, turn_id }) => model === 'mock/test-model' && provider === 'mock' && turn_id === turnId,
      ),
    ).toBe(true)
    expect(summary).toMatchObject({ requests: 2, total_tokens_in: 22, total_tokens_out: 14 })
    expect(summary.window_hours).toBeCloseTo(24, 1)
    expect(total).toBe(2)
    expect((await keel.client.stats.listCosts({ query: { since: '2999-01-01T00:00:00Z' } })).costs).toEqual([])
  })

  test('capacity lists every configured provider', async () => {
    const { providers } = await keel.client.stats.getCapacity()
    expect(providers.mock).toMatchObject({ headroom: 1, near_capacity: false, tpm_limit: null, rpm_limit: null })
  })

  test('a fresh cache has nothing', async () => {
    expect(await keel.client.stats.getCacheStats()).toMatchObject({
      hits: 0,
      hit_rate: 0,
      hit_rate_percent: 0,
      enabled: true,
    })
  })

  test('the limits tell who runs into them', async () => {
    expect(await keel.client.stats.getThrottle()).toMatchObject({
      window_secs: 60,
      global_capacity: 600,
      top_throttled_ips: [],
    })
  })
})
