import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { turnsHandlers } from '#kernel/areas/turns.ts'
import { createEventBus } from '#kernel/events/bus.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import { saveStep } from '#kernel/store/turn-steps.ts'
import { beginAttempt, insertTurn } from '#kernel/store/turns.ts'
import { contextStep } from '#kernel/turns/context-step.ts'
import { turnsRoutes } from '#sdk/contracts/turns.ts'
import { createClient } from '#sdk/http-client.ts'
import { contextPlan } from '#sdk/services/agent.ts'
import { planContext } from '../../services/agent/context.ts'
import type { Recollection } from '../../services/agent/memory.ts'
import { startHttpKernel, testKey } from '../support/http-kernel.ts'
import { temporaryStore } from '../support/temp-store.ts'
import { nothingRecalled, recalledMemory, somePlan, turnJob } from '../support/turn-fixtures.ts'

const turn_id = 'turn'
const refuse = () => Promise.reject(new Error('not asked for here'))

/** The turn routes over a database that has one turn, not yet planned. */
async function scene() {
  const { store } = temporaryStore()
  const bus = createEventBus({ db: store.write, log: pino({ enabled: false }) })
  const { id: session_id } = insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  const { id } = appendMessage(store.write, { session_id, role: 'user', content: 'What do I drink?', turn_id })
  insertTurn(store.write, { id: turn_id, session_id, user_message_id: id, request_json: '{}' })
  const attempt = beginAttempt(store.write, turn_id)
  const kernel = await startHttpKernel(
    { turns: { table: turnsRoutes, handlers: turnsHandlers } },
    {
      store,
      turns: { find: () => undefined },
      analyses: { tipsOf: refuse, insightsOf: refuse, ofTurn: refuse, ofSession: refuse },
    },
  )
  onTestFinished(async () => {
    await kernel.close()
    bus.close()
  })
  const { turns } = createClient({ url: kernel.url, apiKey: testKey })
  return {
    store,
    context: () => turns.getTurnContext({ params: { id: turn_id } }),
    plan(recollection: Recollection) {
      const plan = contextPlan.parse(planContext(turnJob(), recollection, Date.parse('2031-05-06T12:00:00.000Z')))
      contextStep({ turn_id, attempt, seq: 0, plan }, { store, bus })
      return plan
    },
  }
}

test('tells what the model was reminded of, why, and what that took of the budget', async () => {
  const { context, plan } = await scene()
  const left = { id: 'old', tier: 'episodic', score: 0.2, reason: 'tier_budget' } as const
  const stranger = recalledMemory({
    id: 'said',
    tier: 'episodic',
    category: 'message',
    key: null,
    source: 'stranger',
    trusted: false,
    content: 'The operator drinks petrol',
  })
  const planned = plan({ entries: [stranger, recalledMemory()], left_out: [left] })
  const shown = await context()
  const { scores } = recalledMemory()
  expect(shown.retrieved_memories).toEqual([
    {
      id: 'said',
      tier: 'episodic',
      score: 0.5,
      preview: 'The operator drinks petrol',
      tokens: planned.memory.entries[0]?.tokens,
      scores,
      trusted: false,
      source: 'stranger',
    },
    {
      id: 'memory',
      tier: 'semantic',
      score: 0.5,
      preview: 'The user drinks oolong tea',
      tokens: planned.memory.entries[1]?.tokens,
      scores,
      trusted: true,
      source: 'user',
    },
  ])
  expect(shown.memory_left_out).toEqual([left])
  expect(shown.memory_unavailable).toBeNull()
  const [episodic, semantic] = planned.memory.entries.map(({ tokens }) => tokens)
  expect(shown.memory_tiers).toEqual({ working: 0, episodic, semantic, procedural: 0, relationship: 0 })
  expect(Object.values(shown.memory_tiers).reduce((sum, tokens) => sum + tokens, 0)).toBeLessThanOrEqual(
    shown.memory_tokens,
  )
  expect(shown.memory_tokens).toBe(planned.memory_tokens)
  expect(shown.total_tokens).toBe(
    shown.system_prompt_tokens + shown.memory_tokens + shown.history_tokens + shown.tool_definition_tokens,
  )
  expect(shown.total_tokens).toBeLessThanOrEqual(shown.token_budget)
})

test('tells why nothing was recalled', async () => {
  const { context, plan } = await scene()
  plan({ unavailable: 'memory did not answer in time' })
  expect(await context()).toMatchObject({
    memory_unavailable: 'memory did not answer in time',
    memory_tokens: 0,
    retrieved_memories: [],
    memory_left_out: [],
  })
})

test('a turn that remembered nothing, was not planned, or was planned by an earlier build has no memory to show', async () => {
  const none = {
    memory_tiers: { working: 0, episodic: 0, semantic: 0, procedural: 0, relationship: 0 },
    retrieved_memories: [],
    memory_left_out: [],
    memory_unavailable: null,
  }
  const unplanned = await scene()
  expect(await unplanned.context()).toMatchObject({ snapshot: false, ...none })
  const { memory: _memory, ...earlierPlan } = somePlan
  saveStep(unplanned.store.write, turn_id, 1, { kind: 'context', seq: 0, plan: earlierPlan as typeof somePlan })
  expect(await unplanned.context()).toMatchObject(none)
  const empty = await scene()
  empty.plan(nothingRecalled)
  expect(await empty.context()).toMatchObject({ snapshot: true, ...none })
})
