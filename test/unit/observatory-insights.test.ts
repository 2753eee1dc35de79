import { expect, test } from 'vitest'
import { insightsOfSession } from '#kernel/observatory/insights/insights-of-session.ts'
import { sql } from '#kernel/store/database.ts'
import { saveFeedback } from '#kernel/store/feedback.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import type { ModelFacts, SessionFacts } from '#kernel/store/session-facts.ts'
import { newestExchanges, sessionFacts } from '#kernel/store/session-facts.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import { closeToolCall, openToolCall } from '#kernel/store/tool-calls.ts'
import { turnFacts } from '#kernel/store/turn-facts.ts'
import { saveContextSnapshot } from '#kernel/store/turn-steps.ts'
import { finishTurn, insertFinishedTurn, insertTurn } from '#kernel/store/turns.ts'
import { planOf } from '../support/query-plan.ts'
import { temporaryStore } from '../support/temp-store.ts'
import { somePlan } from '../support/turn-fixtures.ts'

const even = { count: 0, first: 0, second: 0 }

/** A session of which no rule has anything to say. */
function facts(change: Partial<SessionFacts> = {}): SessionFacts {
  return {
    turn_count: 10,
    turns: 10,
    utilisation: { count: 10, first: 0.3, second: 0.3 },
    cost: { count: 10, first: 0.01, second: 0.01 },
    grades: even,
    snapshots: 10,
    escalated: 0,
    with_memory: 5,
    graded: { with_memory: { count: 0, mean: 0 }, without_memory: { count: 0, mean: 0 } },
    models: [model('a', 0.01, null)],
    tool_calls: 0,
    tool_successes: 0,
    tokens_in: 1_000,
    tokens_out: 100,
    total_cost: 0.1,
    failed_turns: 0,
    ...change,
  }
}

function model(name: string, mean_cost: number, mean_grade: number | null): ModelFacts {
  return { model: name, turns: 5, mean_cost, grades: mean_grade === null ? 0 : 2, mean_grade }
}

const some = { count: 2, first: 4, second: 4 }
const drift = (count: number, second: number) => ({ utilisation: { count, first: 0.25, second } })
const dearer = (count: number, first: number, second: number) => ({ cost: { count, first, second } })
const tools = (tool_calls: number, tool_successes: number) => ({ tool_calls, tool_successes })
const names = (count: number) => ({ models: Array.from({ length: count }, (_, i) => model(`m${i}`, 0.01, null)) })
const graded = (count: number, first: number, second: number) => ({ grades: { count, first, second } })
const memory = (having: [number, number], lacking: [number, number]) => ({
  grades: some,
  graded: {
    with_memory: { count: having[0], mean: having[1] },
    without_memory: { count: lacking[0], mean: lacking[1] },
  },
})
const coverage = (turns: number, count: number) => ({ turns, grades: { count, first: 4, second: 4 } })

test('there is nothing to say of an ordinary session', () => {
  expect(insightsOfSession(facts())).toEqual([])
})

test.each<[rule: string, what: string, change: Partial<SessionFacts>, severity: string | undefined]>([
  ['context_drift', 'by 15 points', drift(4, 0.4), undefined],
  ['context_drift', 'by more', drift(4, 0.401), 'warning'],
  ['context_drift', 'over three turns', drift(3, 0.9), undefined],
  ['frequent_escalation', 'of 40%', { escalated: 4 }, undefined],
  ['frequent_escalation', 'of half', { escalated: 5 }, 'warning'],
  ['cost_acceleration', 'by half', dearer(4, 0.02, 0.03), undefined],
  ['cost_acceleration', 'by more', dearer(4, 0.02, 0.0301), 'warning'],
  ['cost_acceleration', 'over three turns', dearer(3, 0.02, 0.09), undefined],
  ['cost_acceleration', 'from nothing', dearer(4, 0, 0.09), undefined],
  ['underutilized_memory', 'with one memory', { with_memory: 1 }, undefined],
  ['underutilized_memory', 'with none', { with_memory: 0 }, 'info'],
  ['underutilized_memory', 'of which nothing is known', { with_memory: 0, snapshots: 0 }, undefined],
  ['tool_success_rate', 'of four calls', tools(4, 0), undefined],
  ['tool_success_rate', 'of 80%', tools(5, 4), undefined],
  ['tool_success_rate', 'of less', tools(10, 7), 'warning'],
  ['tool_success_rate', 'of half', tools(10, 5), 'warning'],
  ['tool_success_rate', 'of less than half', tools(10, 4), 'critical'],
  ['model_churn', 'of three', names(3), undefined],
  ['model_churn', 'of four', names(4), 'info'],
  ['quality_declining', 'by half a grade', graded(4, 4, 3.5), undefined],
  ['quality_declining', 'by more', graded(4, 4, 3.4), 'warning'],
  ['quality_declining', 'over three grades', graded(3, 5, 1), undefined],
  [
    'cost_quality_mismatch',
    'of equals',
    { grades: some, models: [model('dear', 0.1, 4), model('cheap', 0.01, 4)] },
    undefined,
  ],
  [
    'cost_quality_mismatch',
    'the wrong way round',
    { grades: some, models: [model('dear', 0.1, 3.9), model('cheap', 0.01, 4)] },
    'warning',
  ],
  [
    'cost_quality_mismatch',
    'with one that nobody graded',
    { grades: some, models: [model('dear', 0.1, 1), model('cheap', 0.01, null)] },
    undefined,
  ],
  [
    'cost_quality_mismatch',
    'of the same price',
    { grades: some, models: [model('one', 0.1, 1), model('other', 0.1, 5)] },
    undefined,
  ],
  ['memory_helps', 'by half a grade', memory([2, 4.5], [2, 4]), undefined],
  ['memory_helps', 'by more', memory([2, 4.6], [2, 4]), 'info'],
  ['memory_helps', 'with one grade', memory([1, 5], [2, 1]), undefined],
  ['memory_helps', 'against one grade', memory([2, 5], [1, 1]), undefined],
  ['low_coverage_warning', 'of 49 turns', coverage(49, 0), undefined],
  ['low_coverage_warning', 'of a fifth', coverage(50, 10), undefined],
  ['low_coverage_warning', 'of less', coverage(50, 9), 'info'],
])('%s %s', (rule, _, change, severity) => {
  expect(insightsOfSession(facts(change)).find(({ rule_name }) => rule_name === rule)?.severity).toBe(severity)
})

test('an insight says what was measured', () => {
  const [tip] = insightsOfSession(facts({ grades: some, models: [model('dear', 0.1, 3), model('cheap', 0.01, 4)] }))
  expect(tip?.message).toBe(
    'dear ($0.1000 a turn, grade 3.0) costs most and is graded lower than cheap ($0.0100 a turn, grade 4.0).',
  )
  expect(insightsOfSession(facts({ escalated: 5 }))[0]?.message).toBe('5 of 10 turns (50%) were of level L2 or L3.')
})

interface StoredTurn {
  cost: number
  model?: string
  grade?: number
  level?: 'L0' | 'L2'
  used?: number
  memory?: number
  tools?: ('success' | 'error' | 'denied')[]
}

/** A session with these turns, one that was appended by hand and one that runs. */
function stored(turns: StoredTurn[]) {
  const { store } = temporaryStore()
  const { write } = store
  const { id: session_id } = insertSession(write, { agent_id: 'keel', scope_key: 'agent' })
  turns.forEach(
    ({ cost, model: name = 'mock/a', grade, level, used = 0, memory: memory_tokens = 0, tools: all = [] }, i) => {
      const id = `t${i}`
      insertTurn(write, { id, session_id, user_message_id: 'm', request_json: '{}' })
      if (level !== undefined) {
        const sizes = {
          token_budget: 1_000,
          system_prompt_tokens: used - memory_tokens,
          memory_tokens,
          history_tokens: 0,
        }
        saveContextSnapshot(write, id, { ...somePlan, complexity_level: level, ...sizes })
      }
      all.forEach((status, seq) => {
        const call = { turn_id: id, seq, tool_name: 'x', input: '{}', plugin: null, channel: null }
        const opened = openToolCall(write, { ...call, skill_id: null, skill_name: null, skill_hash: null })
        closeToolCall(write, opened, { status, output: '', duration_ms: 1 })
      })
      finishTurn(write, {
        ...{ id, status: 'ok', assistant_message_id: `a${i}`, thinking: null, tokens_in: 10, tokens_out: 1, cost },
        ...{ model: name, latency_ms: 1, cached: false, react_turns: 0, error: null },
      })
      if (grade !== undefined) saveFeedback(write, { turn_id: id, session_id, grade, comment: null })
    },
  )
  insertFinishedTurn(write, {
    ...{
      id: 'appended',
      session_id,
      user_message_id: null,
      assistant_message_id: 'x',
      status: 'appended',
      model: null,
    },
  })
  insertTurn(write, { id: 'running', session_id, user_message_id: 'm', request_json: '{}' })
  return { store, session_id }
}

test('the facts of a session are those of its rows', () => {
  const { store, session_id } = stored([
    { cost: 1, grade: 5, level: 'L0', used: 100, memory: 50, tools: ['success', 'denied'] },
    { cost: 2, grade: 3, level: 'L2', used: 300 },
    { cost: 3, model: 'mock/b', tools: ['error'] },
    { cost: 4, model: 'mock/b', grade: 1, level: 'L2', used: 700 },
    { cost: 6, model: 'mock/b' },
  ])
  expect(sessionFacts(store.read, { session_id })).toEqual({
    turn_count: 6,
    turns: 5,
    utilisation: { count: 3, first: 0.1, second: 0.5 },
    cost: { count: 5, first: 1.5, second: (3 + 4 + 6) / 3 },
    grades: { count: 3, first: 5, second: 2 },
    snapshots: 3,
    escalated: 2,
    with_memory: 1,
    graded: { with_memory: { count: 1, mean: 5 }, without_memory: { count: 2, mean: 2 } },
    models: [
      { model: 'mock/a', turns: 2, mean_cost: 1.5, grades: 2, mean_grade: 4 },
      { model: 'mock/b', turns: 3, mean_cost: 13 / 3, grades: 1, mean_grade: 1 },
    ],
    tool_calls: 3,
    tool_successes: 1,
    tokens_in: 50,
    tokens_out: 5,
    total_cost: 16,
    failed_turns: 0,
  })
  expect(turnFacts(store.read, { turn_id: 't0' })).toMatchObject({
    turn: { id: 't0', cost: 1 },
    snapshot: { memory_tokens: 50 },
    model_calls: 1,
    tool_calls: 2,
    tool_failures: 1,
    session_mean_cost: 16 / 5,
    grade: 5,
  })
  expect(turnFacts(store.read, { turn_id: 'nobody' })).toBeUndefined()
})

test('the newest exchanges have the beginning of what was said, oldest first', () => {
  const { store, session_id } = stored([{ cost: 1 }, { cost: 2 }, { cost: 3 }])
  const said = appendMessage(store.write, { session_id, role: 'assistant', content: 'A long answer', turn_id: 't2' })
  sql(store.write, 'UPDATE turns SET assistant_message_id = ? WHERE id = ?').run(said.id, 't2')
  expect(newestExchanges(store.read, { session_id, limit: 3, maxChars: 6 })).toMatchObject([
    { cost: 2, question: null, answer: null },
    { cost: 3, question: null, answer: 'A long' },
    { status: 'appended' },
  ])
  planOf(store, (db) => newestExchanges(db, { session_id: 's', limit: 1, maxChars: 1 }))
})

test('a session without turns, and one that nobody knows, have nothing to say', () => {
  const { store } = stored([])
  const empty = sessionFacts(store.read, { session_id: 'nobody' })
  expect(empty).toMatchObject({ turn_count: 0, turns: 0, models: [], tool_calls: 0, total_cost: 0 })
  expect(insightsOfSession(empty)).toEqual([])
})

test('what is read is found by indexes', () => {
  const { store } = stored([])
  expect(planOf(store, (db) => sessionFacts(db, { session_id: 's' }))).toContain('turns_by_session')
})
