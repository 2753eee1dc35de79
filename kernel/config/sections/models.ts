import type { z } from 'zod'
import {
  choice,
  flag,
  fraction,
  integer,
  namedList,
  number,
  optionalChoice,
  optionalFraction,
  optionalNumber,
  optionalText,
  record,
  requiredText,
  section,
  table,
} from '../fields.ts'
import { tiers } from './providers.ts'

/** Answers when no provider is configured: no language model, and it says so. */
export const offlineModel = 'keel/offline'

const routing = section({
  mode: choice(['metascore', 'primary', 'round_robin'], 'metascore'),
  confidence_threshold: fraction(0.9),
  local_first: flag(true),
  cost_aware: flag(false),
  estimated_output_tokens: integer(500, 1),
  accuracy_floor: fraction(0),
  accuracy_min_obs: integer(10, 1),
  cost_weight: optionalFraction(),
  canary_model: optionalText(),
  canary_fraction: fraction(0),
  blocked_models: namedList(),
  per_provider_timeout_seconds: number(30, 5, 3_600),
  max_total_inference_seconds: number(120, 5, 3_600),
  max_fallback_attempts: integer(6, 1, 100),
})

export const models = section({
  primary: requiredText(offlineModel),
  fallbacks: namedList(),
  /** `provider/model` that analyses turns and sessions; the cheapest usable one unless told. */
  analysis: optionalText(),
  stream_by_default: flag(false),
  model_overrides: record(
    table({
      tier: optionalChoice(tiers),
      cost_per_input_token: optionalNumber(),
      cost_per_output_token: optionalNumber(),
    }),
  ).default({}),
  tiered_inference: section({
    enabled: flag(false),
    confidence_floor: fraction(0.6),
    escalation_latency_budget_ms: integer(3_000),
  }),
  routing,
})

export const circuitBreaker = section({
  threshold: integer(3, 1),
  window_seconds: number(60, 1),
  cooldown_seconds: number(60, 1),
  max_cooldown_seconds: number(900, 1),
})

export const cache = section({
  enabled: flag(true),
  exact_match_ttl_seconds: number(3_600),
  semantic_threshold: fraction(0.95),
  max_entries: integer(10_000, 1, 1_000_000),
  prompt_compression: flag(false),
  compression_target_ratio: fraction(0.5),
})

export type RoutingConfig = z.infer<typeof routing>
