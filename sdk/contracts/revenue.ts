import { z } from 'zod'
import { count, dollars, jsonObject, time } from './values.ts'

const queue = z.object({
  total: count,
  pending: count,
  in_progress: count,
  failed: count,
  completed: count,
  stale_in_progress: count,
})

/** The earning side of the wallet, as dashboards and command lines of this family read it. */
export const revenue = z.object({
  revenue_accounting: z.object({
    settled_jobs: count,
    gross_revenue_usdc: dollars,
    attributable_costs_usdc: dollars,
    net_profit_usdc: dollars,
    tax_paid_usdc: dollars,
    retained_earnings_usdc: dollars,
  }),
  revenue_swap_queue: queue,
  revenue_tax_queue: queue,
  revenue_strategy_summary: z.array(
    z.looseObject({
      strategy: z.string(),
      total_jobs: count,
      settled_jobs: count,
      net_profit_usdc: dollars,
      avg_priority_score: z.number(),
    }),
  ),
  revenue_profitability: z.array(jsonObject),
  revenue_audit_log: z.array(jsonObject),
  revenue_pipeline_health: jsonObject,
  revenue_feedback_summary: z.array(
    z.object({
      strategy: z.string(),
      feedback_count: count,
      avg_grade: z.number(),
      latest_feedback_at: time.nullable(),
    }),
  ),
  seed_exercise_readiness: z.object({
    seed_target_usdc: dollars,
    stable_balance_usdc: dollars,
    meets_seed_target: z.boolean(),
    minimum_reserve_configured: z.boolean(),
    swap_enabled: z.boolean(),
    default_chain: z.string(),
    default_chain_has_target_contract: z.boolean(),
    default_chain_has_swap_contract: z.boolean(),
  }),
  seed_exercise_progress: z.object({
    phase_1_seeded_and_visible: z.boolean(),
    phase_1_meets_target: z.boolean(),
    phase_2_revenue_cycle_complete: z.boolean(),
    phase_3_swap_submitted: z.boolean(),
    phase_3_swap_reconciled: z.boolean(),
    phase_3_tax_submitted: z.boolean(),
    phase_3_tax_reconciled: z.boolean(),
    phase_4_mechanic_clear: z.boolean(),
    next_action: z.string(),
  }),
  seed_exercise_plan: z.object({
    seed_target_usdc: dollars,
    phases: z.array(
      z.object({
        id: z.string(),
        label: z.string(),
        goal: z.string(),
        max_spend_usdc: dollars,
        success_signal: z.string(),
      }),
    ),
    abort_conditions: z.array(z.string()),
    operator_guidance: z.array(z.string()),
  }),
})
