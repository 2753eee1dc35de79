import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { BudgetScope } from '#sdk/budgets.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream

/** Dollars per token, and what a call with the upstream's figures comes to. */
const prices = `[models.model_overrides."mock/test-model"]
cost_per_input_token = 0.001
cost_per_output_token = 0.002
`
const callCost = 11 * 0.001 + 7 * 0.002

beforeAll(async () => {
  upstream = await startUpstream({ text: 'An answer.' })
  keel = await startDaemon({ config: upstreamConfig(upstream.url, `[cache]\nenabled = false\n${prices}`) })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

afterEach(() => draw({ day: {}, session: {}, job: {}, subagent: {}, api_key: {} }))

/** The lines of each budget that is named; what is not is put away. */
async function draw(budgets: Partial<Record<BudgetScope, object>>) {
  const none = { soft_cost: null, hard_cost: null, soft_tokens: null, hard_tokens: null }
  const lines = Object.fromEntries(Object.entries(budgets).map(([scope, given]) => [scope, { ...none, ...given }]))
  await keel.client.config.updateConfig({ body: { budgets: lines } })
}

async function budget(scope: BudgetScope) {
  const { budgets } = await keel.client.budgets.listBudgets({})
  const found = budgets.find((one) => one.scope === scope)
  if (!found) throw new Error(`no budget of the ${scope}`)
  return found
}

/** A session with a name of its own: no model is asked for one. */
async function openSession(): Promise<string> {
  return (await keel.client.sessions.createSession({ body: { nickname: 'Budgets' } })).id
}

test('a fresh server has the treasury as the budget of its day, and has spent nothing of it', async () => {
  const { day, budgets, max_output_tokens } = await keel.client.budgets.listBudgets({})
  expect({ max_output_tokens, scopes: budgets.map(({ scope }) => scope) }).toEqual({
    max_output_tokens: 8_192,
    scopes: ['day', 'session', 'job', 'subagent', 'api_key'],
  })
  expect(budgets[0]).toMatchObject({
    soft_cost: 40,
    hard_cost: 50,
    hard_tokens: null,
    accounts: [
      {
        key: '',
        cost: { spent: 0, reserved: 0, unsettled: 0, left: 50 },
        tokens: { spent: 0, left: null },
        opened_at: `${day}T00:00:00.000Z`,
      },
    ],
  })
  expect(budgets.slice(1).flatMap(({ accounts }) => accounts)).toEqual([])
})

test('a turn goes on the account of its session and of the key that asked, and so do both doors', async () => {
  const session_id = await openSession()
  const before = (await budget('day')).accounts[0]?.tokens.spent ?? 0
  await keel.client.agent.sendMessage({ body: { content: 'hello', session_id } })
  await ask('/v1/chat/completions', { model: 'mock/test-model' })
  await ask('/anthropic/v1/messages', { model: 'mock/test-model', max_tokens: 100 })
  await eventually('all is booked', async () => (await budget('day')).accounts[0]?.tokens.spent === before + 3 * 18)
  const [session] = (await budget('session')).accounts
  expect(session).toMatchObject({ key: session_id, tokens: { spent: 18 }, begins_anew_at: null })
  expect(session?.cost.spent).toBeCloseTo(callCost, 9)
  const [key] = (await budget('api_key')).accounts
  expect(key).toMatchObject({ key: expect.stringMatching(/^[0-9a-f]{16}$/), tokens: { spent: 3 * 18 } })
  const { costs } = await keel.client.stats.listCosts({ query: { limit: 3 } })
  expect(costs.map(({ api_key, session_id: session }) => ({ api_key, session }))).toEqual([
    { api_key: key?.key, session: null },
    { api_key: key?.key, session: null },
    { api_key: key?.key, session: session_id },
  ])
})

test('a turn that no budget pays for is answered with the reason', async () => {
  const session_id = await openSession()
  await draw({ session: { hard_cost: 0 } })
  const asked = upstream.requests.length
  const answer = await keel.client.agent.sendMessage({ body: { content: 'hello', session_id } })
  expect(answer).toMatchObject({
    content: "This session's budget of $0 is used up: $0 spent. A new session has its own.",
    cost: 0,
  })
  expect(await keel.client.turns.getTurn({ params: { id: answer.turn_id } })).toMatchObject({ status: 'limit' })
  expect(upstream.requests).toHaveLength(asked)
  const { events } = await keel.client.events.listEvents({ query: { types: 'budget_hard_line' } })
  expect(events).toMatchObject([{ scope: 'session', key: session_id, measure: 'cost', line: 0 }])
  await draw({ session: { hard_cost: 100 } })
  expect((await keel.client.agent.sendMessage({ body: { content: 'hello', session_id } })).content).toBe('An answer.')
})

test('the doors refuse in the words of their protocols, and nothing is tried again', async () => {
  await draw({ api_key: { hard_tokens: 1 } })
  const message = expect.stringMatching(/^This API key's budget for today of 1 tokens? /)
  for (const stream of [false, true]) {
    const openai = await ask('/v1/chat/completions', { model: 'mock/test-model', stream })
    expect(openai).toMatchObject({
      status: 402,
      body: { error: { message, type: 'insufficient_quota', code: 'insufficient_quota', param: null } },
    })
    const anthropic = await ask('/anthropic/v1/messages', { model: 'mock/test-model', max_tokens: 9, stream })
    expect(anthropic).toMatchObject({
      status: 402,
      body: { type: 'error', error: { type: 'billing_error', message } },
    })
  }
  const embedding = await ask('/v1/embeddings', { model: 'mock/test-model', input: 'a text' })
  expect(embedding).toMatchObject({ status: 402, body: { error: { code: 'insufficient_quota' } } })
})

async function ask(path: string, body: object) {
  const response = await keel.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'hello' }], ...body }),
  })
  return { status: response.status, body: await response.json().catch(() => null) }
}

test("a scheduled turn goes on its job's account, and is refused by it", async () => {
  const job = await keel.client.cron.createJob({
    body: {
      name: 'A job',
      schedule_kind: 'cron',
      schedule_expr: '0 0 1 1 *',
      payload_json: { action: 'agent_task', task: 'Say something.' },
    },
  })
  const run = async () => (await keel.client.cron.runJob({ params: { id: job.id } })) as { status?: string }
  await run()
  await eventually('it is booked', async () => (await budget('job')).accounts[0]?.tokens.spent === 18)
  expect((await budget('job')).accounts).toMatchObject([{ key: job.id, tokens: { spent: 18 } }])
  await draw({ job: { hard_tokens: 18 } })
  await run()
  await eventually('the line is told of', async () => (await budget('job')).accounts[0]?.hard_at !== null)
  expect((await budget('job')).accounts).toMatchObject([{ tokens: { spent: 18, reserved: 0 } }])
})

test('lines that contradict each other are refused by name', async () => {
  await expect(draw({ job: { soft_tokens: 10, hard_tokens: 5 } })).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('budgets.job.soft_tokens: expected at most hard_tokens'),
  })
  await expect(draw({ day: { soft_cost: 51 } })).rejects.toMatchObject({
    message: expect.stringContaining('budgets.day.soft_cost: expected at most treasury.daily_inference_budget'),
  })
  await expect(draw({ session: { hard_cost: -1 } })).rejects.toMatchObject({
    message: expect.stringContaining('budgets.session.hard_cost: expected a number of at least 0'),
  })
})
