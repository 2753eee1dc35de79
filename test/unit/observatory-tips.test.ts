import { describe, expect, test } from 'vitest'
import { tipsOfTurn } from '#kernel/observatory/tips/tips-of-turn.ts'
import { turnRules } from '#kernel/observatory/tips/turn-rules.ts'
import type { TurnFacts } from '#kernel/store/turn-facts.ts'

type Change = Partial<Omit<TurnFacts, 'turn' | 'snapshot'>> & {
  turn?: Partial<TurnFacts['turn']>
  snapshot?: Partial<NonNullable<TurnFacts['snapshot']>> | null
}

/** A turn of which no rule has anything to say. */
function facts({ turn, snapshot, ...more }: Change = {}): TurnFacts {
  return {
    turn: {
      id: 't',
      session_id: 's',
      user_message_id: null,
      assistant_message_id: null,
      status: 'ok',
      attempt: 1,
      thinking: null,
      tokens_in: 10_000,
      tokens_out: 500,
      cost: 0.01,
      model: 'mock/plain',
      latency_ms: 900,
      cached: false,
      react_turns: 0,
      error: null,
      trace_id: null,
      created_at: '2026-01-01T00:00:00.000Z',
      ...turn,
    },
    snapshot:
      snapshot === null
        ? null
        : {
            turn_id: 't',
            complexity_level: 'L1',
            complexity_score: 0.2,
            token_budget: 10_000,
            system_prompt_tokens: 1_000,
            memory_tokens: 1_000,
            history_tokens: 1_000,
            history_depth: 3,
            tool_definition_tokens: 0,
            dropped_history: 0,
            created_at: '2026-01-01T00:00:00.000Z',
            ...snapshot,
          },
    model_calls: 1,
    tool_calls: 0,
    tool_failures: 0,
    session_mean_cost: 0.01,
    grade: null,
    ...more,
  }
}

const fired = (change: Change, rule: string) => tipsOfTurn(facts(change)).find(({ rule_name }) => rule_name === rule)

const used = (system: number, memory: number, history: number): Change => ({
  snapshot: { system_prompt_tokens: system, memory_tokens: memory, history_tokens: history },
})
const calls = (tool_calls: number, tool_failures = 0): Change => ({ tool_calls, tool_failures })
const cost = (amount: number): Change => ({ turn: { cost: amount } })
const tokens = (tokens_in: number, tokens_out: number): Change => ({ turn: { tokens_in, tokens_out } })
/** The system prompt's share of 10,000 tokens sent, nothing written, at a cost. */
const taxed = (system: number, amount: number): Change => ({
  snapshot: { token_budget: 100_000, system_prompt_tokens: system },
  turn: { tokens_out: 0, cost: amount },
})

test('there is nothing to say of an ordinary turn', () => {
  expect(tipsOfTurn(facts())).toEqual([])
})

test.each<[rule: string, what: string, change: Change, severity: string | undefined]>([
  ['budget_pressure', 'at 90%', used(3_000, 3_000, 3_000), undefined],
  ['budget_pressure', 'just above 90%', used(3_000, 3_000, 3_001), 'warning'],
  ['budget_pressure', 'at 95%', used(3_000, 3_000, 3_500), 'warning'],
  ['budget_pressure', 'just above 95%', used(3_000, 3_000, 3_501), 'critical'],
  ['system_prompt_heavy', 'at 40%', used(4_000, 1_000, 0), undefined],
  ['system_prompt_heavy', 'just above 40%', used(4_001, 1_000, 0), 'warning'],
  ['system_prompt_heavy', 'at 60%', used(6_000, 1_000, 0), 'warning'],
  ['system_prompt_heavy', 'just above 60%', used(6_001, 1_000, 0), 'critical'],
  ['memory_starvation', 'at 10%', used(0, 1_000, 0), undefined],
  ['memory_starvation', 'just below 10%', used(0, 999, 0), 'info'],
  ['shallow_history', 'with three messages', { snapshot: { history_depth: 3 } }, undefined],
  ['shallow_history', 'with two', { snapshot: { history_depth: 2 } }, 'info'],
  ['high_tool_density', 'with three calls', calls(3), undefined],
  ['high_tool_density', 'with four', calls(4), 'info'],
  ['high_tool_density', 'with eight', calls(8), 'info'],
  ['high_tool_density', 'with nine', calls(9), 'warning'],
  ['tool_failures', 'with none', calls(2), undefined],
  ['tool_failures', 'with one of two', calls(2, 1), 'warning'],
  ['tool_failures', 'with two of three', calls(3, 2), 'critical'],
  ['expensive_turn', 'at twice the mean', cost(0.02), undefined],
  ['expensive_turn', 'just above twice', cost(0.0201), 'warning'],
  ['expensive_turn', 'at five times', cost(0.05), 'warning'],
  ['expensive_turn', 'just above five times', cost(0.0501), 'critical'],
  ['expensive_turn', 'where nothing has cost anything', { ...cost(0.05), session_mean_cost: 0 }, undefined],
  ['expensive_turn', 'where no mean is known', { ...cost(0.05), session_mean_cost: null }, undefined],
  ['empty_reasoning', 'of a model that does not reason', { turn: { model: 'mock/plain' } }, undefined],
  ['empty_reasoning', 'with a trace', { turn: { model: 'anthropic/claude-x', thinking: 'Hm.' } }, undefined],
  ['empty_reasoning', 'without one', { turn: { model: 'anthropic/claude-x' } }, 'info'],
  ['empty_reasoning', 'of o1', { turn: { model: 'openai/o1-mini' } }, 'info'],
  ['empty_reasoning', 'of o3', { turn: { model: 'openai/o3' } }, 'info'],
  ['empty_reasoning', 'of deepseek', { turn: { model: 'x/DeepSeek-r' } }, 'info'],
  ['empty_reasoning', 'of a name that only looks like it', { turn: { model: 'x/turbo10' } }, undefined],
  ['system_prompt_tax', 'at 30%', taxed(3_000, 1), undefined],
  ['system_prompt_tax', 'above 30% for a cent', taxed(5_000, 0.02), undefined],
  ['system_prompt_tax', 'for just above a cent', taxed(5_000, 0.0202), 'info'],
  ['system_prompt_tax', 'for five cents', taxed(5_000, 0.1), 'info'],
  ['system_prompt_tax', 'for just above five cents', taxed(5_000, 0.1002), 'warning'],
  ['system_prompt_tax', 'sent with each of two calls', { ...taxed(1_600, 0.1), model_calls: 2 }, 'info'],
  ['history_cost_dominant', 'at 60%', used(0, 1_000, 6_000), undefined],
  ['history_cost_dominant', 'just above 60%', used(0, 1_000, 6_001), 'info'],
  ['history_cost_dominant', 'at 80%', used(0, 1_000, 8_000), 'info'],
  ['history_cost_dominant', 'just above 80%', used(0, 1_000, 8_001), 'warning'],
  ['large_output_ratio', 'at twice the input', tokens(1_500, 3_000), undefined],
  ['large_output_ratio', 'just above twice', tokens(1_500, 3_001), 'info'],
  ['large_output_ratio', 'at 2,000 tokens', tokens(10, 2_000), undefined],
  ['large_output_ratio', 'just above 2,000', tokens(10, 2_001), 'info'],
  ['cached_turn_savings', 'not from the cache', {}, undefined],
  ['cached_turn_savings', 'from the cache', { turn: { cached: true } }, 'info'],
])('%s %s', (rule, _, change, severity) => {
  expect(fired(change, rule)?.severity).toBe(severity)
})

test('a tip says what was measured, and one sentence of advice', () => {
  expect(fired(used(3_000, 3_000, 3_501), 'budget_pressure')).toEqual({
    severity: 'critical',
    category: 'budget',
    rule_name: 'budget_pressure',
    message: 'The context filled 95% of its budget of 10000 tokens.',
    suggestion: expect.stringMatching(/^[A-Z][^.]+\.max_tokens[^.]+\.$/),
  })
  expect(fired(cost(0.0501), 'expensive_turn')?.message).toBe(
    "It cost $0.0501, 5.0 times the session's mean of $0.0100.",
  )
  expect(fired(calls(3, 2), 'tool_failures')?.message).toBe('2 of 3 tool calls failed (67%).')
  expect(fired(used(0, 1_000, 20_000), 'history_cost_dominant')?.message).toBe('The history was 100% of what was sent.')
})

describe('what is not known is not judged', () => {
  const loud: Change = { turn: { cached: true, cost: 1 }, ...calls(9, 9) }
  const names = (change: Change) => tipsOfTurn(facts(change)).map(({ rule_name }) => rule_name)
  const needing = (need: string) =>
    turnRules.filter(({ needs }) => needs.some((one) => one === need)).map(({ name }) => name)

  test('without a snapshot every rule that needs one is passed over, the others speak', () => {
    expect(names({ ...loud, snapshot: null })).toEqual([
      'high_tool_density',
      'tool_failures',
      'expensive_turn',
      'cached_turn_savings',
    ])
    expect(needing('snapshot')).toContain('shallow_history')
  })

  test('without a budget there is no pressure on it', () => {
    const said = names({ snapshot: { token_budget: 0, history_depth: 0, history_tokens: 9_000 } })
    expect(said).toEqual(['shallow_history', 'history_cost_dominant'])
  })

  test('without tokens there are no shares of them', () => {
    expect(names({ ...used(0, 1_000, 8_000), turn: { tokens_in: 0, tokens_out: 9_000 } })).toEqual([])
    expect(names({ turn: { tokens_in: null, tokens_out: 9_000 } })).toEqual([])
  })

  test.each(['appended', 'running'] as const)('of a turn that is %s nothing is said', (status) => {
    expect(tipsOfTurn(facts({ ...loud, turn: { status, cached: true } }))).toEqual([])
  })
})
