import type { ContextPlan, ToolOutcome, TurnJob, TurnStep } from '#sdk/services/agent.ts'
import type { InferenceResult } from '#sdk/services/inference.ts'

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
    tools: [
      { name: 'read_file', description: 'Reads a file', parameters: { type: 'object' } },
      { name: 'write_file', description: 'Writes a file', parameters: { type: 'object' } },
    ],
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
