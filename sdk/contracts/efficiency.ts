import { z } from 'zod'
import { count, day, dollars, fraction, milliseconds } from './values.ts'

/*
 * Dashboards format these numbers without looking: each is always there and finite.
 */

export const trend = z.enum(['increasing', 'decreasing', 'stable'])

/** `pct` is 0 to 100. */
const share = z.object({ tokens: count, cost: dollars, pct: z.number() })

export const modelEfficiency = z.object({
  model: z.string(),
  /** In which it was called. */
  total_turns: count,
  /** Mean of tokens out by tokens in. */
  avg_output_density: z.number(),
  /** Of the context's token budget, by turns that have a snapshot. */
  avg_budget_utilization: fraction,
  /** By how much better turns with memory are graded than those without, as a share; 0 while unknown. */
  avg_memory_roi: z.number(),
  /** The system prompt's share of the prompt. */
  avg_system_prompt_weight: fraction,
  cache_hit_rate: fraction,
  /** Share of turns that filled more than 80 % of their budget. */
  context_pressure_rate: fraction,
  cost: z.object({
    total: dollars,
    per_output_token: dollars,
    effective_per_turn: dollars,
    cache_savings: dollars,
    cumulative_trend: trend,
    attribution: z.object({ system_prompt: share, memories: share, history: share, tool_definitions: share }),
    /** Of calls that were billed and gave no answer. */
    wasted_budget_cost: dollars,
  }),
  trend: z.object({ output_density: trend, cost_per_turn: trend, cache_hit_rate: trend }),
  quality: z
    .object({
      avg_grade: z.number(),
      grade_count: count,
      grade_coverage: fraction,
      cost_per_quality_point: dollars,
      by_complexity: z.record(z.string(), z.number()),
      memory_impact: z.object({ with_memory: z.number(), without_memory: z.number() }),
      trend,
    })
    .nullable(),
})

const assignmentTotals = z.object({
  total: count,
  success: count,
  failed: count,
  timeout_like: count,
  success_rate: fraction,
  avg_duration_ms: milliseconds,
  p95_duration_ms: milliseconds,
})

export const modelMode = z.enum(['auto', 'orchestrator', 'fixed'])

export const efficiency = z.object({
  period: z.string(),
  models: z.record(z.string(), modelEfficiency),
  time_series: z.array(
    z.object({
      bucket: day,
      model: z.string(),
      output_density: z.number(),
      cost: dollars,
      turns: count,
      budget_utilization: z.number(),
      cached_count: count,
    }),
  ),
  totals: z.object({
    total_cost: dollars,
    total_cache_savings: dollars,
    total_turns: count,
    most_expensive_model: z.string().nullable(),
    most_efficient_model: z.string().nullable(),
    /** A model's name, or `none`. */
    biggest_cost_driver: z.string(),
  }),
  subagent_assignment: z.object({
    period: z.string(),
    overall: assignmentTotals,
    by_subagent: z.record(z.string(), assignmentTotals),
    assignments: z.record(
      z.string(),
      z.object({
        configured_model: z.string().nullable(),
        fallback_models: z.array(z.string()),
        model_mode: modelMode,
      }),
    ),
  }),
})
