import { expect, test, vi } from 'vitest'
import { defaultConfig } from '#kernel/config/schema.ts'
import { LiveReplay } from '#kernel/observatory/replay/live-replay.ts'
import { recordedCalls } from '#kernel/observatory/replay/recorded-calls.ts'
import type { RecordedTurn } from '#kernel/observatory/replay/recorded-turn.ts'
import { planReplay } from '#kernel/observatory/replay/replay-job.ts'
import { replaySide } from '#kernel/observatory/replay/replay-side.ts'
import { Replays } from '#kernel/observatory/replay/replays.ts'
import { wordDiff } from '#kernel/observatory/replay/word-diff.ts'
import { insertReplay, listReplays } from '#kernel/store/replays.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import { insertTurn } from '#kernel/store/turns.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import { openToolbox } from '#kernel/tools/toolbox.ts'
import type { ReplayChanges, ReplayRecord, ReplayStep } from '#sdk/contracts/replays.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { instructions } from '#sdk/instruction-marks.ts'
import type { ContextPlan, TurnStep } from '#sdk/services/agent.ts'
import type { InferenceRequest, InferenceResult } from '#sdk/services/inference.ts'
import { toolTokens } from '../../services/agent/context-parts.ts'
import { temporaryStore } from '../support/temp-store.ts'
import { inferenceResult, inferenceStep, somePlan, toolCall, toolStep } from '../support/turn-fixtures.ts'

const outcome = (output: string) => ({ status: 'success' as const, output, duration_ms: 1 })

test('a call is answered as the same call was, in its order, and from then on as the last time', () => {
  const answer = recordedCalls([
    toolStep(2, 'read', '{"a":1,"b":{"d":2,"c":3}}', outcome('first')),
    toolStep(3, 'read', '{"b":{"c":3,"d":2},"a":1}', outcome('second')),
    toolStep(4, 'write', '{}', null),
    toolStep(5, 'odd', 'no json', outcome('odd')),
  ])
  const ask = (name: string, args: string) => {
    const { outcome: given, answered } = answer(toolCall(name, args))
    return `${answered}: ${given.output}`
  }
  expect(ask('read', ' { "a": 1, "b": { "c": 3, "d": 2 } }')).toBe('recorded: first')
  expect(ask('read', '{"a":1,"b":{"d":2,"c":3}}')).toBe('recorded: second')
  expect(ask('read', '{"a":1,"b":{"d":2,"c":3}}')).toBe('recorded: second')
  expect(ask('odd', 'no json')).toBe('recorded: odd')
  for (const [name, args] of [
    ['read', '{"a":1}'],
    ['read', '{"a":"1","b":{"d":2,"c":3}}'],
    ['other', '{"a":1,"b":{"d":2,"c":3}}'],
    // What had begun and never ended has no outcome to give.
    ['write', '{}'],
  ] as const)
    expect(ask(name, args)).toMatch(/^simulated: Not run/)
})

function liveReplay(complete: (request: InferenceRequest) => Promise<InferenceResult>, changes: ReplayChanges = {}) {
  const told: ReplayStep[] = []
  const live = new LiveReplay({
    inference: { complete: (request) => complete(request as InferenceRequest) },
    turn_id: 'turn',
    payer: { api_key: null },
    plan: somePlan,
    changes,
    isPinned: true,
    answerCall: recordedCalls([toolStep(2, 'read', '{}', outcome('as it was'))]),
    onStep: (step) => told.push(step),
  })
  return { live, told }
}

const request = {
  request_id: 'replay-1-1',
  model: 'mock/one',
  messages: [{ role: 'user' as const, content: 'hello' }],
  purpose: 'turn' as const,
  cache_scope: 'somebody',
}
const call = { signal: new AbortController().signal, emit: async () => {} }

test('what was answered is not asked again, by whichever process; one that was replaced may ask nothing', async () => {
  const complete = vi.fn(async (_: InferenceRequest) => inferenceResult({ text: 'Hi.' }))
  const { live, told } = liveReplay(complete, { temperature: 0.5, max_tokens: 9 })
  const first = live.beginAttempt()
  const place = { turn_id: 'replay-1', attempt: first, seq: 1 }
  await live.infer({ ...place, request }, call)
  expect(complete.mock.calls[0]?.[0]).toMatchObject({
    turn_id: 'turn',
    purpose: 'replay',
    fallback: false,
    cache_scope: null,
    temperature: 0.5,
    max_tokens: 9,
  })
  expect(live.callTool({ ...place, seq: 2, call: toolCall('read') })).toEqual(outcome('as it was'))
  expect(live.callTool({ ...place, seq: 3, call: toolCall('write') })).toMatchObject({ status: 'denied' })

  const second = live.beginAttempt()
  await expect(live.infer({ ...place, request }, call)).rejects.toMatchObject({ kind: 'conflict' })
  expect(() => live.callTool({ ...place, call: toolCall('read') })).toThrow(
    'attempt 1 of the replay has been taken over',
  )
  expect(await live.infer({ ...place, attempt: second, request }, call)).toMatchObject({ text: 'Hi.' })
  expect(live.callTool({ ...place, attempt: second, seq: 3, call: toolCall('write') })).toMatchObject({
    status: 'denied',
  })
  expect(complete).toHaveBeenCalledTimes(1)
  expect(told.map((step) => (step.kind === 'tool' ? step.answered : step.text))).toEqual([
    'Hi.',
    'recorded',
    'simulated',
  ])
  expect(live.steps.map(({ kind }) => kind)).toEqual(['context', 'inference', 'tool', 'tool'])
  for (const refused of [live.recall, live.saveContext]) expect(refused).toThrow(RuntimeError)
})

test('a step under way when its process was replaced is not kept', async () => {
  const answer = Promise.withResolvers<InferenceResult>()
  const { live, told } = liveReplay(() => answer.promise)
  const asked = live.infer({ turn_id: 'replay-1', attempt: live.beginAttempt(), seq: 1, request }, call)
  live.beginAttempt()
  answer.resolve(inferenceResult())
  await expect(asked).rejects.toMatchObject({ kind: 'conflict' })
  expect(told).toEqual([])
})

test('the agent is told of a turn by the turn’s side, and nothing of a replay that is over', async () => {
  const turns = { recall: vi.fn(), saveContext: vi.fn(), infer: vi.fn(), callTool: vi.fn(() => outcome('ran')) }
  const nothing = () => {
    throw new Error('not asked')
  }
  const deps = { toolbox: nothing, agent: nothing, inference: nothing } as unknown
  const terms = new Replays(deps as ConstructorParameters<typeof Replays>[0]).terms(turns)
  const params = { attempt: 1, seq: 2, call: toolCall('read') }
  expect(await terms.callTool({ ...params, turn_id: 'turn' }, call)).toEqual(outcome('ran'))
  expect(() => terms.callTool({ ...params, turn_id: 'replay-gone' }, call)).toThrow('replay replay-gone is over')
  expect(turns.callTool).toHaveBeenCalledTimes(1)
})

const tool = (name: string, description = 'Reads'): Tool => ({
  name,
  description,
  parameters: { type: 'object' },
  risk: 'Safe',
  idempotent: true,
  paths: [],
  timeoutMs: 1_000,
  version: '1',
  source: { kind: 'builtin' },
  parse: (raw) => raw,
  run: () => Promise.reject(new Error('a replay runs no tool')),
})

function recorded(plan: Partial<ContextPlan> = {}): RecordedTurn {
  const request = {
    agent_id: 'keel',
    channel: 'web',
    authority: 'Creator' as const,
    sender_id: null,
    threat_score: 0,
    authority_sources: [],
    authority_ceiling: null,
    model_text: 'the question',
    model: 'auto',
    use_cache: true,
    max_seconds: 7_200,
    max_tokens: null,
    max_cost: null,
    model_call_timeout_ms: null,
    message_key: null,
    account: { job_id: null, subagent_id: null, api_key: null },
    streamed: true,
  }
  const turn = { id: 'turn', session_id: 'session', model: 'mock/one' } as RecordedTurn['turn']
  const system_prompt = instructions('You are Keel.')
  return {
    turn,
    request,
    plan: { ...somePlan, system_prompt, ...plan },
    steps: [],
    history: [],
    message_id: 'm',
    answer: '',
  }
}

function planned(changes: ReplayChanges, plan: Partial<ContextPlan> = {}, tools: Tool[] = []) {
  const toolbox = openToolbox([() => tools])
  return planReplay('replay-1', recorded(plan), changes, { config: defaultConfig, toolbox, version: '1' })
}

test('a replay is the recorded turn with what is told to be different', () => {
  const same = planned({})
  expect(same.job).toMatchObject({ turn_id: 'replay-1', model: 'mock/one', use_cache: false })
  expect(same.job.input).toEqual({ message_id: 'm', text: 'the question' })
  expect(same.plan.system_prompt).toBe(instructions('You are Keel.'))
  expect(Date.parse(same.job.limits.deadline) - Date.now()).toBeLessThanOrEqual(600_000)
  const changed = planned({ model: 'mock/two', append_prompt: 'Be brief.', question: 'Another?', max_steps: 1 })
  expect(changed.job).toMatchObject({ model: 'mock/two', input: { text: 'Another?' }, limits: { max_steps: 1 } })
  expect(changed.plan.system_prompt).toBe(instructions('You are Keel.\n\nBe brief.'))
  expect(changed.plan.system_prompt_tokens).toBeGreaterThan(same.plan.system_prompt_tokens)
  expect(planned({ system_prompt: 'A.', append_prompt: 'B.' }).plan.system_prompt).toBe(instructions('A.\n\nB.'))
})

test('tools that are gone or have changed are noted, and an old plan’s are those of now', () => {
  const tools = [tool('a'), tool('b'), tool('c')]
  const sizes = toolTokens(tools.map(({ name, description, parameters }) => ({ name, description, parameters })))
  const named = tools.map(({ name }, at) => ({ name, tokens: sizes[at] ?? 0, origin: null }))
  expect(planned({}, { tools: named }, tools)).toMatchObject({
    notes: [],
    job: { tools: tools.map(({ name }) => ({ name })) },
  })
  const later = [tool('a'), tool('b', 'Reads, and then writes all of it to a file')]
  const { notes, job } = planned({}, { tools: named }, later)
  expect(job.tools.map(({ name }) => name)).toEqual(['a', 'b'])
  expect(notes).toEqual([
    'The tool b is described otherwise than it was then.',
    'There is no tool c any more; it is not offered.',
  ])
  const old = planned({}, { tool_definition_tokens: 20 }, tools)
  expect(old.job.tools).toHaveLength(3)
  expect(old.notes).toEqual(['Which tools there were is not on record; those that there would be now are offered.'])
  expect(planned({}, {}, tools)).toMatchObject({ notes: [], job: { tools: [] } })
})

test('what is told of a side has its sums, no secrets, and no more than there is room for', () => {
  const key = `sk-${'a'.repeat(40)}`
  const steps: TurnStep[] = [
    inferenceStep(1, { text: `Key ${key}`, cost: 0.25, usage: { tokens_in: 10, tokens_out: 2, estimated: false } }),
    toolStep(2, 'read', JSON.stringify({ key }), outcome(`${'x'.repeat(2_041)} ${key} ${'y'.repeat(9_000)}`)),
    { kind: 'inference', seq: 3, status: 'started', result: null },
    inferenceStep(4, { cost: 0.5, usage: { tokens_in: 20, tokens_out: 3, estimated: false } }),
  ]
  const end = { status: 'ok', reason: null, latency_ms: 5, answeredAt: () => 'ran' as const }
  const side = replaySide(steps, { ...end, content: `${key} ${'z'.repeat(70_000)}` })
  expect(side).toMatchObject({ tokens_in: 30, tokens_out: 5, cost: 0.75, model: 'mock/test-model' })
  expect(JSON.stringify(side).includes('sk-a')).toBe(false)
  expect(side.content.length).toBeLessThan(65_600)
  expect(side.steps.map(({ seq }) => seq)).toEqual([1, 2, 4])
  expect(side.steps[1]).toMatchObject({ output: `${'x'.repeat(2_041)} sk-*** …` })
})

test('answers are compared word by word, up to a size', async () => {
  expect(await wordDiff('Tea is good.', 'Tea was good!')).toEqual([
    { kind: 'same', text: 'Tea ' },
    { kind: 'removed', text: 'is' },
    { kind: 'added', text: 'was' },
    { kind: 'same', text: ' good' },
    { kind: 'removed', text: '.' },
    { kind: 'added', text: '!' },
  ])
  expect(await wordDiff('same', 'same')).toEqual([{ kind: 'same', text: 'same' }])
  expect(await wordDiff('', '')).toEqual([])
  expect(await wordDiff('x'.repeat(150_000), 'x'.repeat(50_001))).toBeNull()
})

test('of one turn the newest replays are kept', () => {
  const { store } = temporaryStore()
  const { id: session_id } = insertSession(store.write, { agent_id: 'keel', scope_key: 'agent' })
  insertTurn(store.write, { id: 'turn', session_id, user_message_id: 'm', request_json: '{}' })
  const replay = {
    ...replaySide([], { status: 'ok', reason: null, content: 'Hi.', latency_ms: 1.5, answeredAt: () => 'ran' }),
  }
  const record = (n: number): ReplayRecord => ({
    replay_id: `replay-${n}`,
    turn_id: 'turn',
    created_at: '2031-01-01T00:00:00.000Z',
    changes: { model: 'mock/two' },
    replay,
    notes: ['note'],
  })
  for (let n = 1; n <= 22; n++) insertReplay(store.write, record(n))
  const kept = listReplays(store.read, 'turn')
  expect(kept.map(({ replay_id }) => replay_id)).toEqual(Array.from({ length: 20 }, (_, at) => `replay-${22 - at}`))
  expect(kept[0]).toEqual(record(22))
})
