import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { turnsHandlers } from '#kernel/areas/turns.ts'
import { openConfig } from '#kernel/config/live-config.ts'
import { createEventBus } from '#kernel/events/bus.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import { saveStep } from '#kernel/store/turn-steps.ts'
import { beginAttempt, insertTurn } from '#kernel/store/turns.ts'
import { contextStep } from '#kernel/turns/context-step.ts'
import type { TurnRequest } from '#kernel/turns/turn-request.ts'
import { turnsRoutes } from '#sdk/contracts/turns.ts'
import { createClient } from '#sdk/http-client.ts'
import { contextPlan, type TurnJob } from '#sdk/services/agent.ts'
import { planContext } from '../../services/agent/context.ts'
import type { Recollection } from '../../services/agent/memory.ts'
import { startHttpKernel, testKey } from '../support/http-kernel.ts'
import { tempHome } from '../support/temp-home.ts'
import { temporaryStore } from '../support/temp-store.ts'
import { inferenceStep, nothingRecalled, recalledMemory, somePlan, turnJob } from '../support/turn-fixtures.ts'

const turn_id = 'turn'
const refuse = () => Promise.reject(new Error('not asked for here'))

const nothingToReplay = () => Promise.reject(new Error('nothing is replayed here'))

const request: TurnRequest = {
  agent_id: 'keel',
  channel: 'web',
  authority: 'Creator',
  sender_id: null,
  threat_score: 0,
  authority_sources: ['api'],
  authority_ceiling: null,
  model_text: 'What do I drink?',
  model: 'auto',
  use_cache: false,
  max_seconds: 60,
  max_tokens: null,
  max_cost: null,
  model_call_timeout_ms: null,
  message_key: null,
  account: { job_id: null, subagent_id: null, api_key: null },
  streamed: false,
}

/** The turn routes over a database that has one turn, not yet planned. */
async function scene(settings = '') {
  const { store } = temporaryStore()
  const bus = createEventBus({ db: store.write, log: pino({ enabled: false }) })
  const { id: session_id } = insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  const { id } = appendMessage(store.write, { session_id, role: 'user', content: 'What do I drink?', turn_id })
  insertTurn(store.write, { id: turn_id, session_id, user_message_id: id, request_json: JSON.stringify(request) })
  const attempt = beginAttempt(store.write, turn_id)
  const kernel = await startHttpKernel(
    { turns: { table: turnsRoutes, handlers: turnsHandlers } },
    {
      store,
      config: openConfig(tempHome(settings), {}),
      turns: { find: () => undefined },
      replays: { run: nothingToReplay },
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
    session_id,
    turns,
    context: () => turns.getTurnContext({ params: { id: turn_id } }),
    plan(recollection: Recollection, given: Partial<TurnJob> = {}) {
      const job = turnJob({ input: { message_id: id, text: 'What do I drink?' }, ...given })
      const plan = contextPlan.parse(planContext(job, recollection, Date.parse('2031-05-06T12:00:00.000Z')))
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

const totalOf = (blocks: readonly { tokens: number }[]) => blocks.reduce((sum, { tokens }) => sum + tokens, 0)

test('every part of what the model saw is told in its order, with its source; the parts add up to the whole', async () => {
  const { context, plan, session_id, store } = await scene()
  const earlier = appendMessage(store.write, {
    session_id,
    role: 'user',
    content: `My key is sk-${'a'.repeat(40)}. ${'x'.repeat(400)}`,
    turn_id: 'before',
  })
  const planned = plan(
    {
      entries: [recalledMemory()],
      left_out: [{ id: 'old', tier: 'episodic', score: 0.2, reason: 'duplicate' }],
    },
    {
      history: [{ id: earlier.id, message: { role: 'user', content: earlier.content } }],
      tool_origins: { write_file: 'notes' },
      withheld_tools: [{ name: 'run_script', reason: 'authority' }],
      skills: {
        active: [{ id: 's', name: 'tea', hash: 'abc', reason: 'keyword tea', body: 'Tea is brewed at 80 degrees.' }],
        index: [{ name: 'coffee', description: 'Brews coffee' }],
      },
    },
  )
  saveStep(
    store.write,
    turn_id,
    1,
    inferenceStep(1, { usage: { tokens_in: 1_000, tokens_out: 5, estimated: false }, text: 'Tea.' }),
  )
  const shown = await context()
  expect(shown.blocks.map(({ kind, source }) => [kind, source.name, source.origin])).toEqual([
    ['system_prompt', null, null],
    ['skill', 'tea', 'abc'],
    ['skill_index', '1 skills', null],
    ['tool', 'read_file', null],
    ['tool', 'write_file', 'notes'],
    ['history', 'user', null],
    ['memory_frame', null, null],
    ['memory', 'semantic', 'user'],
    ['question', 'user', null],
  ])
  const of = (kind: string) => shown.blocks.filter((block) => block.kind === kind)
  expect(totalOf(shown.blocks)).toBe(shown.total_tokens + shown.question_tokens)
  expect(totalOf([...of('system_prompt'), ...of('skill'), ...of('skill_index')])).toBe(planned.system_prompt_tokens)
  expect(totalOf(of('tool'))).toBe(shown.tool_definition_tokens)
  expect(totalOf([...of('memory'), ...of('memory_frame')])).toBe(shown.memory_tokens)
  expect(totalOf(of('history'))).toBe(shown.history_tokens)
  expect(of('skill')[0]).toMatchObject({ reason: 'keyword tea', preview: expect.stringMatching(/^Tea is brewed/) })
  expect(of('memory')[0]).toMatchObject({ score: 0.5, preview: 'The user drinks oolong tea' })
  expect(of('question')[0]).toMatchObject({ preview: 'What do I drink?' })
  const [said] = of('history')
  expect(said?.source.id).toBe(earlier.id)
  expect(said?.preview).toMatch(/^My key is sk-\*\*\*\. x+$/)
  expect(said?.preview).toHaveLength(200)
  expect(shown.left_out.map(({ kind, source, reason }) => [kind, source.id ?? source.name, reason])).toEqual([
    ['memory', 'old', 'duplicate'],
    ['skill', 'coffee', 'not_called_for'],
    ['tool', 'run_script', 'authority'],
  ])
  expect(shown).toMatchObject({
    question: 'What do I drink?',
    answer: null,
    estimated_tokens_in: totalOf(shown.blocks),
    billed_tokens_in: 1_000,
    estimate_error: totalOf(shown.blocks) / 1_000 - 1,
    model_calls: [{ seq: 1, model: 'mock/test-model', tokens_in: 1_000, cached: false }],
  })
})

test('messages that did not fit are named, and the rest is counted', async () => {
  const { context, plan } = await scene()
  const history = Array.from({ length: 120 }, (_, at) => ({
    id: `m${at}`,
    message: { role: 'user' as const, content: 'x'.repeat(2_000) },
  }))
  const { dropped_history } = plan(nothingRecalled, { history, older_history: true })
  const { left_out } = await context()
  expect(left_out).toHaveLength(52)
  expect(left_out.at(-2)?.source.name).toBe(`${dropped_history - 50} older messages`)
  expect(left_out.at(-1)).toMatchObject({ kind: 'history', reason: 'not_looked_at' })
})

test('a plan of an earlier build tells what it has', async () => {
  const { context, store } = await scene()
  const {
    history_message_tokens: _tokens,
    question_tokens: _question,
    tools: _tools,
    skill_index: _index,
    left_out: _left,
    memory: _memory,
    ...earlier
  } = somePlan
  const plan = { ...earlier, history_message_ids: ['a', 'b'], history_tokens: 50, tool_definition_tokens: 70 }
  saveStep(store.write, turn_id, 1, {
    kind: 'context',
    seq: 0,
    plan: { ...plan, dropped_history: 3 } as unknown as typeof somePlan,
  })
  const { blocks, left_out, billed_tokens_in, estimated_tokens_in } = await context()
  expect(blocks.map(({ kind, source, tokens }) => [kind, source.name, tokens])).toEqual([
    ['system_prompt', null, 4],
    ['tools', null, 70],
    ['history', '2 messages', 50],
    ['question', 'user', 4],
  ])
  expect(left_out).toMatchObject([{ kind: 'history', source: { name: '3 messages' }, reason: 'budget' }])
  expect({ billed_tokens_in, estimated_tokens_in }).toEqual({ billed_tokens_in: null, estimated_tokens_in: 128 })
})

test('only the owner has a turn replayed', async () => {
  const { turns } = await scene('[security]\napi_authority = "Peer"\n')
  await expect(turns.replayTurn({ params: { id: turn_id } })).rejects.toMatchObject({
    kind: 'forbidden',
    message: 'replaying a turn needs Creator authority',
  })
  await expect(turns.listTurnReplays({ params: { id: 'nobody' } })).rejects.toMatchObject({ kind: 'not_found' })
  expect(await turns.listTurnReplays({ params: { id: turn_id } })).toEqual({ replays: [] })
})
