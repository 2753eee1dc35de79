import { z } from 'zod'
import { del, get, post } from '../route.ts'
import { flag, period } from './query.ts'
import { count, dollars, fraction, jsonObject, time } from './values.ts'

export const behaviourProfile = z.object({
  total_sessions: count,
  total_turns: count,
  total_cost: dollars,
  /** 1 to 5. */
  avg_quality: z.number().nullable(),
  grade_coverage: fraction,
  models_used: z.array(z.string()),
  model_stats: z.record(
    z.string(),
    z.object({
      turns: count,
      avg_cost: dollars,
      avg_quality: z.number().nullable(),
      cache_hit_rate: fraction,
      avg_output_density: z.number(),
    }),
  ),
  /** Messages. */
  avg_session_length: z.number(),
  avg_tokens_per_turn: z.number(),
  tool_success_rate: fraction,
  cache_hit_rate: fraction,
  memory_retrieval_rate: fraction,
})
export type BehaviourProfile = z.infer<typeof behaviourProfile>

const category = z.enum([
  'QueryCrafting',
  'ModelSelection',
  'SessionManagement',
  'MemoryLeverage',
  'CostOptimization',
  'ToolUsage',
  'Configuration',
])

export const priority = z.enum(['Low', 'Medium', 'High'])

/** A change of the settings, as it stands now. */
export const configChange = z.object({
  /** Dotted. */
  path: z.string(),
  from: z.unknown(),
  to: z.unknown(),
  /** The body of `PUT /api/config` that makes it. */
  patch: jsonObject,
})
export type ConfigChange = z.infer<typeof configChange>

export const recommendation = z.object({
  /** The name of the rule. */
  id: z.string(),
  category,
  priority,
  title: z.string(),
  explanation: z.string(),
  action: z.string(),
  evidence: z.array(z.object({ metric: z.string(), value: z.string(), context: z.string() })),
  estimated_impact: z
    .object({
      monthly_savings: dollars.nullable(),
      quality_change: z.string().nullable(),
      description: z.string(),
    })
    .nullable(),
  /** Null where no setting helps, or where the settings are that way already. */
  config_change: configChange.nullable(),
  /** The settings are as it would have them; the figures are of the time before. */
  answered: z.boolean(),
  dismissed_at: time.nullable(),
})
export type Recommendation = z.infer<typeof recommendation>

/** What a model advises beside the rules. Plain text without links; its figures are the model's. */
export const deepRecommendation = z.object({
  category,
  priority,
  title: z.string(),
  explanation: z.string(),
  action: z.string(),
  evidence: z.string(),
})
export type DeepRecommendation = z.infer<typeof deepRecommendation>

/** The newest set that a model has made for a period. */
const deepSet = z.object({
  summary: z.string(),
  recommendations: z.array(deepRecommendation),
  analysis_model: z.string(),
  created_at: time,
})

const dismissal = z.object({ id: z.string(), dismissed: z.boolean() })

export const recommendationsRoutes = {
  listRecommendations: get('/api/recommendations', {
    summary: 'Get prioritized behavioral recommendations',
    query: z.object({
      period: period('30d'),
      /** With those that were dismissed. */
      dismissed: flag,
    }),
    response: z.object({
      period: z.string(),
      profile: behaviourProfile,
      /** High to low. */
      recommendations: z.array(recommendation),
      count,
      deep: deepSet.nullable(),
    }),
  }),
  dismissRecommendation: post('/api/recommendations/:id/dismiss', {
    summary: 'Leave a recommendation out of the list',
    response: dismissal,
  }),
  restoreRecommendation: del('/api/recommendations/:id/dismiss', {
    summary: 'List a dismissed recommendation again',
    response: dismissal,
  }),
  generateRecommendations: post('/api/recommendations/generate', {
    summary: 'Trigger LLM-powered deep recommendation analysis',
    query: z.object({ period: period('30d') }),
    response: z.object({
      status: z.literal('complete'),
      heuristic_recommendations: z.array(recommendation),
      /** Markdown. */
      deep_analysis: z.string(),
      analysis_model: z.string(),
      tokens_in: count,
      tokens_out: count,
      cost: dollars,
      profile: behaviourProfile,
      message: z.string(),
      actions: z.array(z.string()),
      summary: z.object({ estimated_monthly_savings: dollars }),
      deep_recommendations: z.array(deepRecommendation),
      /** Why the rules alone speak; null where a model does. */
      reason: z.string().nullable(),
      created_at: time,
    }),
  }),
}
