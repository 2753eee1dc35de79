import type { ContextPlan, ToolOutcome, TurnJob, TurnStep } from '#sdk/services/agent.ts'
import type { InferenceResult } from '#sdk/services/inference.ts'
import type { Recalled, RecalledMemory } from '#sdk/services/memory.ts'

/** A turn as the kernel hands it over, with what a test says differently. */
export function turnJob(given: Partial<TurnJob> = {}): TurnJob {
  return {
    turn_id: 'turn',
    attempt: 1,
    session_id: 'session',
    agent: { id: 'keel', name: 'Keel', persona: null },
    model: 'auto',
    channel: 'web',
    authority: 'Creator',
    input: { message_id: 'question', text: 'What is in the file?' },
    history: [],
    older_history: false,
    tools: [
      { name: 'read_file', description: 'Reads a file', parameters: { type: 'object' } },
      { name: 'write_file', description: 'Writes a file', parameters: { type: 'object' } },
    ],
    tool_origins: {},
    withheld_tools: [],
    skills: { active: [], index: [] },
    limits: {
      max_steps: 5,
      deadline: '2999-01-01T00:00:00.000Z',
      max_tokens: null,
      max_cost: null,
      model_call_timeout_ms: null,
    },
    context_max_tokens: 128_000,
    use_cache: false,
    version: '0.0.0',
    steps: [],
    ...given,
  }
}

export function inferenceResult(given: Partial<InferenceResult> = {}): InferenceResult {
  return {
    text: '',
    reasoning: null,
    tool_calls: [],
    finish_reason: 'stop',
    usage: { tokens_in: 10, tokens_out: 5, estimated: false },
    model: 'mock/test-model',
    selected_model: 'mock/test-model',
    cost: 0.001,
    latency_ms: 1,
    cached: false,
    cache_level: null,
    tokens_saved: 0,
    quality_score: null,
    failures: [],
    ...given,
  }
}

export const somePlan: ContextPlan = {
  complexity_level: 'L0',
  complexity_score: 0,
  token_budget: 4_000,
  system_prompt: 'You are a test.',
  system_prompt_tokens: 4,
  memory_tokens: 0,
  history_tokens: 0,
  tool_definition_tokens: 0,
  history_message_ids: [],
  dropped_history: 0,
  skills: [],
  memory: { text: '', entries: [], left_out: [], unavailable: null },
  history_message_tokens: [],
  question_tokens: 9,
  tools: [],
  skill_index: { count: 0, tokens: 0 },
  left_out: { history: [], older_history: false, skills: [], tools: [] },
}

/** What the memory says that has nothing to say. */
export const nothingRecalled: Recalled = {
  entries: [],
  left_out: [],
  trace: { embedding_model: null, vector_note: null, left_out_words: [], took_ms: 0 },
}

export function recalledMemory(given: Partial<RecalledMemory> = {}): RecalledMemory {
  return {
    id: 'memory',
    tier: 'semantic',
    category: 'preference',
    key: 'drink',
    name: null,
    content: 'The user drinks oolong tea',
    source: 'user',
    trusted: true,
    created_at: '2031-04-01T10:00:00.000Z',
    confidence: 1,
    mentions: 1,
    successes: 0,
    failures: 0,
    tokens: 10,
    scores: { text: 0.5, vector: 0.5, context: null, recency: 1, importance: 0.5, total: 0.5 },
    ...given,
  }
}

export const success: ToolOutcome = { status: 'success', output: 'buy milk', duration_ms: 1 }

export function contextStep(seq = 0): TurnStep {
  return { kind: 'context', seq, plan: somePlan }
}

export function inferenceStep(seq: number, result: Partial<InferenceResult>): TurnStep {
  return { kind: 'inference', seq, status: 'done', result: inferenceResult(result) }
}

export function toolStep(seq: number, name: string, args = '{}', outcome: ToolOutcome | null = success): TurnStep {
  return { kind: 'tool', seq, status: outcome ? 'done' : 'started', call: toolCall(name, args), outcome }
}

export function toolCall(name: string, args = '{}') {
  return { id: `call-${name}`, name, arguments: args }
}
