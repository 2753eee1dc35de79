import { z } from 'zod'
import { account, budgetScope, budgetSettings, noAccount } from '../budgets.ts'
import { finishReason, modelMessage, tokenUsage, toolCall, toolChoice, toolDefinition } from '../messages.ts'
import { modelFeatures } from '../routing/metascore.ts'
import { method, service } from '../service.ts'

export const modelTier = z.enum(['T1', 'T2', 'T3', 'T4'])

export const providerFormat = z.enum(['openai', 'anthropic', 'ollama', 'google', 'offline'])

/** A provider as the inference service needs it: the key in clear, resolved by the kernel, kept in memory alone. */
export const providerSettings = z.object({
  name: z.string(),
  url: z.string(),
  format: providerFormat,
  api_key: z.string().nullable(),
  key_status: z.enum(['not_required', 'configured', 'missing']),
  chat_path: z.string().nullable(),
  /** `Authorization` sends a Bearer token, `query:NAME` a query parameter, any other name the bare key. */
  auth_header: z.string().nullable(),
  extra_headers: z.record(z.string(), z.string()),
  is_local: z.boolean(),
  tier: modelTier.nullable(),
  models: z.array(z.string()),
  /** Dollars per token. */
  cost_per_input_token: z.number().nullable(),
  cost_per_output_token: z.number().nullable(),
  tpm_limit: z.number().int().nullable(),
  rpm_limit: z.number().int().nullable(),
  embedding_model: z.string().nullable(),
})
export type ProviderSettings = z.infer<typeof providerSettings>

export const modelOverride = z.object({
  tier: modelTier.nullable(),
  cost_per_input_token: z.number().nullable(),
  cost_per_output_token: z.number().nullable(),
})

export const inferenceSettings = z.object({
  providers: z.array(providerSettings),
  /** `provider/model`, in order. */
  primary: z.string(),
  fallbacks: z.array(z.string()),
  /** Set by an operator at run time; wins over the choice while it is usable. */
  override: z.string().nullable(),
  model_overrides: z.record(z.string(), modelOverride),
  routing: z.object({
    mode: z.enum(['primary', 'metascore', 'round_robin']),
    cost_aware: z.boolean(),
    cost_weight: z.number().nullable(),
    accuracy_floor: z.number(),
    accuracy_min_obs: z.number(),
    confidence_threshold: z.number(),
    local_first: z.boolean(),
    estimated_output_tokens: z.number(),
    canary_model: z.string().nullable(),
    canary_fraction: z.number(),
    blocked_models: z.array(z.string()),
    per_provider_timeout_seconds: z.number(),
    max_total_inference_seconds: z.number(),
    max_fallback_attempts: z.number(),
  }),
  breaker: z.object({
    threshold: z.number(),
    window_seconds: z.number(),
    cooldown_seconds: z.number(),
    max_cooldown_seconds: z.number(),
  }),
  cache: z.object({
    enabled: z.boolean(),
    ttl_seconds: z.number(),
    semantic_threshold: z.number(),
    max_entries: z.number(),
  }),
  /** `provider/model` that makes embeddings; null keeps the semantic level of the cache off. */
  embedding_model: z.string().nullable(),
  budgets: budgetSettings,
})
export type InferenceSettings = z.infer<typeof inferenceSettings>

export const candidate = z.object({
  model: z.string(),
  source: z.enum(['override', 'metascore_candidate', 'primary_ordered', 'fallback_ordered', 'round_robin', 'pinned']),
  provider_available: z.boolean(),
  breaker_blocked: z.boolean(),
  usable: z.boolean(),
  /** Why it may or may not be used, in words. */
  note: z.string(),
  metascore: z.number().optional(),
  quality_gated: z.boolean().optional(),
  /** Whose hard line keeps the call from it. */
  over_budget: budgetScope.optional(),
})

/** Why this model: every candidate, what spoke for and against it, and the rule that decided. */
export const selection = z.object({
  selected_model: z.string(),
  strategy: z.string(),
  primary_model: z.string(),
  override_model: z.string().nullable(),
  complexity_score: z.number(),
  candidates: z.array(candidate),
  metascore_breakdown: z.record(z.string(), z.number()).nullable(),
  /** Of each candidate, where a turn's model was left to the router; empty otherwise. */
  features: z.record(z.string(), modelFeatures),
})
export type Selection = z.infer<typeof selection>

export const inferenceRequest = z.object({
  request_id: z.string(),
  /** `provider/model` pins it; `auto` lets the router choose. */
  model: z.string(),
  messages: z.array(modelMessage).min(1),
  tools: z.array(toolDefinition).default([]),
  tool_choice: toolChoice.optional(),
  parallel_tool_calls: z.boolean().optional(),
  max_tokens: z.number().int().positive().optional(),
  temperature: z.number().optional(),
  top_p: z.number().optional(),
  stop: z.array(z.string()).optional(),
  seed: z.number().int().optional(),
  response_format: z.record(z.string(), z.unknown()).optional(),
  /** Other candidates may answer when the chosen one fails before its first byte. */
  fallback: z.boolean().default(true),
  /** Deltas are wanted as they come; otherwise only the result is. */
  stream: z.boolean().default(false),
  /** 0 to 1, what the asker knows of how hard this is; the router estimates it from the text otherwise. */
  complexity: z.number().min(0).max(1).optional(),
  /** Answers are shared within one scope and never across; null leaves the cache alone. */
  cache_scope: z.string().nullable().default(null),
  purpose: z.enum(['turn', 'proxy', 'nickname', 'analysis', 'recommendations', 'interview', 'memory', 'replay']),
  turn_id: z.string().nullable().default(null),
  /** The most the answer may cost in dollars, as far as it can be told beforehand. */
  max_cost: z.number().nullable().default(null),
  account: account.default(noAccount),
})
export type InferenceRequest = z.infer<typeof inferenceRequest>

export const inferenceChunk = z.discriminatedUnion('type', [
  z.object({ type: z.literal('selected'), selection }),
  /** The selected model failed and this one answers in its place; comes right before its first delta. */
  z.object({ type: z.literal('shifted'), model: z.string() }),
  z.object({ type: z.literal('text'), delta: z.string() }),
  z.object({ type: z.literal('reasoning'), delta: z.string() }),
  z.object({
    type: z.literal('tool_call'),
    index: z.number().int(),
    id: z.string().optional(),
    name: z.string().optional(),
    arguments_delta: z.string(),
  }),
])
export type InferenceChunk = z.infer<typeof inferenceChunk>

export const inferenceResult = z.object({
  text: z.string(),
  reasoning: z.string().nullable(),
  tool_calls: z.array(toolCall),
  finish_reason: finishReason,
  usage: tokenUsage,
  /** What really answered, `provider/model`. */
  model: z.string(),
  selected_model: z.string(),
  cost: z.number(),
  latency_ms: z.number(),
  cached: z.boolean(),
  cache_level: z.enum(['exact', 'semantic', 'tool_ttl']).nullable(),
  tokens_saved: z.number().int(),
  quality_score: z.number().nullable(),
  /** Every try before the answer: the model and the category of its failure. */
  failures: z.array(z.object({ model: z.string(), category: z.string() })),
})
export type InferenceResult = z.infer<typeof inferenceResult>

export const breakerState = z.enum(['closed', 'open', 'half_open'])

export const breakerStatus = z.object({
  state: breakerState,
  blocked: z.boolean(),
  credit_tripped: z.boolean(),
  auth_tripped: z.boolean(),
  operator_forced_open: z.boolean(),
  failure_count: z.number().int(),
  last_failure_at: z.string().nullable(),
  /** The category of the last failure, never its text. */
  last_error: z.string().nullable(),
  opened_at: z.string().nullable(),
  /** When a probe may pass, while open. */
  retry_at: z.string().nullable(),
  current_cooldown_seconds: z.number(),
  capacity_pressure: z.boolean(),
})
export type BreakerStatus = z.infer<typeof breakerStatus>

/** What of a breaker outlives the process. */
export const savedBreaker = z.object({
  provider: z.string(),
  state: breakerState,
  credit_tripped: z.boolean(),
  auth_tripped: z.boolean(),
  operator_forced_open: z.boolean(),
  opened_at: z.string().nullable(),
  retry_at: z.string().nullable(),
  current_cooldown_seconds: z.number(),
})
export type SavedBreaker = z.infer<typeof savedBreaker>

export const capacityStatus = z.object({
  headroom: z.number(),
  near_capacity: z.boolean(),
  sustained_hot: z.boolean(),
  tokens_used: z.number(),
  requests_used: z.number(),
  tpm_limit: z.number().nullable(),
  rpm_limit: z.number().nullable(),
  token_utilization: z.number(),
  request_utilization: z.number(),
})

export const providerListing = z.object({
  status: z.enum(['ok', 'error', 'unreachable', 'skipped']),
  models: z.array(z.string()),
  count: z.number().int(),
  error: z.string().optional(),
  reason: z.string().optional(),
  hint: z.string().optional(),
})

export const cacheStatus = z.object({
  enabled: z.boolean(),
  entries: z.number().int(),
  hits: z.number().int(),
  misses: z.number().int(),
  tokens_saved: z.number().int(),
  by_level: z.object({ exact: z.number().int(), semantic: z.number().int(), tool_ttl: z.number().int() }),
})

export const routingProfile = z.object({
  model_name: z.string(),
  is_local: z.boolean(),
  cost_per_input_token: z.number(),
  cost_per_output_token: z.number(),
  estimated_quality: z.number(),
  availability: z.number(),
  capacity_headroom: z.number(),
  /** Answers that were judged, by their form or by a person. */
  observation_count: z.number().int(),
  grade_count: z.number().int(),
  /** 1 to 5; null without grades. */
  avg_grade: z.number().nullable(),
  metascore: z.number(),
  tier: modelTier,
  /** The router may use it now, and why not. */
  usable: z.boolean(),
  note: z.string(),
})
export type RoutingProfile = z.infer<typeof routingProfile>

/** What a person thinks of a turn's answer, and the model that gave it. */
export const answerGrade = z.object({ model: z.string(), turn_id: z.string(), grade: z.number().int().min(1).max(5) })

/** The one way out to models. Keeps breakers, capacity windows and the cache in memory; asks the kernel to keep the rest. */
export const inferenceService = service('inference', {
  /** Chunks begin with `selected`; a failure before the first delta falls back, one after it is an error. */
  complete: method({
    params: inferenceRequest,
    chunk: inferenceChunk,
    result: inferenceResult,
    timeoutMs: 600_000,
    retry: 'safe',
    repeatable: (chunk) => chunk.type === 'selected',
  }),
  /** New settings take effect with the next call; breakers and counts live on. */
  configure: method({ params: inferenceSettings, result: z.null(), timeoutMs: 5_000, retry: 'safe' }),
  status: method({
    params: z.object({}),
    result: z.object({
      /** What the router would choose now for a middling question. */
      current_model: z.string(),
      breakers: z.record(z.string(), breakerStatus),
      capacity: z.record(z.string(), capacityStatus),
      cache: cacheStatus,
    }),
    timeoutMs: 5_000,
    retry: 'safe',
  }),
  listModels: method({
    params: z.object({
      provider: z.string().optional(),
      refresh: z.boolean().default(false),
      probe: z.boolean().default(false),
    }),
    result: z.object({ models: z.array(z.string()), providers: z.record(z.string(), providerListing) }),
    timeoutMs: 30_000,
    retry: 'safe',
  }),
  routingDiagnostics: method({
    params: z.object({
      /** `provider/model` names that are told of beside the configured ones. */
      also: z.array(z.string()).max(10).default([]),
    }),
    result: z.object({ profiles: z.array(routingProfile) }),
    timeoutMs: 5_000,
    retry: 'safe',
  }),
  /** Closes the breaker and clears every flag; `known: false` when neither settings nor history have the provider. */
  resetBreaker: method({
    params: z.object({ provider: z.string() }),
    result: z.object({ known: z.boolean() }),
    timeoutMs: 5_000,
    retry: 'safe',
  }),
  /** Opens the breaker until it is reset. */
  openBreaker: method({
    params: z.object({ provider: z.string() }),
    result: z.object({ known: z.boolean() }),
    timeoutMs: 5_000,
    retry: 'safe',
  }),
  /** A key was stored or removed: clears trips that a wrong key or an empty account caused. */
  keyChanged: method({ params: z.object({ provider: z.string() }), result: z.null(), timeoutMs: 5_000, retry: 'safe' }),
  /** Counts for the model's quality at once, in place of an earlier grade of the same turn. */
  gradeAnswer: method({ params: answerGrade, result: z.null(), timeoutMs: 5_000, retry: 'safe' }),
  /** Empties the cache: an answer in it may repeat what somebody had forgotten. */
  forgetCache: method({ params: z.object({}), result: z.null(), timeoutMs: 5_000, retry: 'safe' }),
  embed: method({
    params: z.object({
      model: z.string(),
      input: z.array(z.string()).min(1).max(2048),
      dimensions: z.number().int().positive().optional(),
      account: account.default(noAccount),
    }),
    result: z.object({ model: z.string(), vectors: z.array(z.array(z.number())), usage: tokenUsage }),
    timeoutMs: 120_000,
    retry: 'safe',
  }),
})
