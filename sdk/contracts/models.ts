import { z } from 'zod'
import { get, post } from '../route.ts'
import { breakerStatus, candidate, providerListing, routingProfile } from '../services/inference.ts'
import { clampedInteger, filter, flag, instant } from './query.ts'
import { count, dollars, fraction, jsonObject, time } from './values.ts'

const maxDatasetRows = 5000

/** Why a turn got its model: written before inference, completed after it. */
export const selectionEvent = z.object({
  event_id: z.string(),
  turn_id: z.string(),
  session_id: z.string(),
  agent_id: z.string(),
  channel: z.string(),
  selected_model: z.string(),
  strategy: z.string(),
  primary_model: z.string(),
  override_model: z.string().nullable(),
  /** `complexity_score` as text, such as `0.07`. */
  complexity: z.string().nullable(),
  complexity_score: z.number().nullable(),
  /** The first 20 words of the question, at most 240 characters. */
  user_excerpt: z.string(),
  candidates: z.array(candidate),
  metascore_breakdown: z.record(z.string(), z.number()).nullable(),
  /** The model that really answered; null until it has. */
  executed_model: z.string().nullable(),
  fallback: z.boolean(),
  /** Of the turn, 1 to 5; null until somebody grades it. */
  grade: z.int().nullable(),
  created_at: time,
})
export type SelectionEvent = z.infer<typeof selectionEvent>

export const routingWeights = z.object({
  accuracy_floor: fraction.min(0).max(1).optional(),
  cost_aware: z.boolean().optional(),
  /** null leaves it to `cost_aware`. */
  cost_weight: fraction.min(0).max(1).nullish(),
})

export const routingRow = z.object({
  turn_id: z.string(),
  session_id: z.string(),
  selected_model: z.string(),
  executed_model: z.string().nullable(),
  strategy: z.string(),
  complexity: z.string().nullable(),
  /** `[redacted]` unless asked for. */
  user_excerpt: z.string(),
  tokens_in: count,
  tokens_out: count,
  cost: dollars,
  quality_score: z.number().nullable(),
  /** Of the turn, 1 to 5; null until somebody grades it. */
  grade: z.int().nullable(),
  created_at: time,
})

/** A past choice, and the one that other weights would have made. */
export const routingVerdict = z.object({
  turn_id: z.string(),
  created_at: time,
  complexity: z.string().nullable(),
  selected_model: z.string(),
  proposed_model: z.string(),
  /** `better`: no dearer and no weaker. `worse`: no cheaper and no stronger. `trade`: cheaper and weaker, or the reverse. */
  verdict: z.enum(['same', 'better', 'worse', 'trade']),
  /** What the tokens that were used cost with either model. */
  selected_cost: dollars,
  proposed_cost: dollars,
  /** What was expected of either model's answers then. */
  selected_efficacy: fraction,
  proposed_efficacy: fraction,
  grade: z.int().nullable(),
})

export const routingDataset = z.object({
  rows: z.array(routingRow),
  summary: z.object({
    /** That match, also those beyond `limit`. */
    total_rows: count,
    returned_rows: count,
    graded_rows: count,
    total_cost: dollars,
    /** By the model that answered, else the one that was chosen. */
    rows_by_model: z.record(z.string(), count),
  }),
})

export const routingEvaluation = z.object({
  rows_considered: count,
  summary: z.object({
    /** That match, also those beyond `limit`. */
    total_rows: count,
    /** Read, but not for weights to decide. */
    passed_over: count,
    weights: z.object({
      accuracy_floor: fraction,
      accuracy_min_obs: count,
      cost_aware: z.boolean(),
      cost_weight: fraction.nullable(),
    }),
    changed_rows: count,
    /** Share of the choices that stay as they were. */
    agreement: fraction,
    better: count,
    worse: count,
    trade: count,
    selected_cost: dollars,
    proposed_cost: dollars,
    selected_efficacy: fraction,
    proposed_efficacy: fraction,
    proposed_by_model: z.record(z.string(), count),
  }),
  verdicts: z.array(routingVerdict),
})

export const modelsRoutes = {
  listAvailableModels: get('/api/models/available', {
    summary: 'List available LLM models',
    query: z.object({
      provider: filter,
      /** `zero`: a cached listing will do. `list`: ask now. `probe`: one tiny call per configured model. */
      validation_level: z.string().max(32).default('zero'),
      refresh: flag,
    }),
    response: z.object({
      /** `provider/model`, sorted. */
      models: z.array(z.string()),
      count,
      validation_level: z.string(),
      proxy: z.object({ mode: z.literal('in_process') }),
      providers: z.record(z.string(), providerListing),
    }),
  }),
  listSelections: get('/api/models/selections', {
    summary: 'Model selection event log',
    query: z.object({ limit: clampedInteger(100, 1, 500), session_id: filter, model: filter, since: instant }),
    response: z.object({ events: z.array(selectionEvent), count }),
  }),
  getRoutingDiagnostics: get('/api/models/routing-diagnostics', {
    summary: 'Routing weights, model profiles and breakers as the router sees them',
    response: z.object({
      config: z.looseObject({
        accuracy_floor: z.number(),
        cost_aware: z.boolean(),
        cost_weight: z.number().nullable(),
        confidence_threshold: z.number(),
        estimated_output_tokens: z.number(),
      }),
      profiles: z.array(routingProfile),
      circuit_breakers: z.record(z.string(), breakerStatus),
      shadow_predictions: z.array(jsonObject),
    }),
  }),
  getRoutingDataset: get('/api/models/routing-dataset', {
    summary: 'Model selections joined with their costs, for tuning',
    query: z.object({
      limit: clampedInteger(1000, 1, maxDatasetRows),
      since: instant,
      until: instant,
      include_user_excerpt: flag,
    }),
    response: routingDataset,
  }),
  evaluateRouting: post('/api/models/routing-eval', {
    summary: 'Replay past selections against other routing weights',
    body: z.object({
      ...routingWeights.shape,
      limit: z.int().min(1).max(maxDatasetRows).optional(),
      since: instant,
      until: instant,
    }),
    response: routingEvaluation,
  }),
}
