import { z } from 'zod'
import { get, post } from '../route.ts'
import { period } from './query.ts'
import { count, dollars, fraction } from './values.ts'

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

export const recommendation = z.object({
  /** The name of the rule. */
  id: z.string(),
  category: z.enum([
    'QueryCrafting',
    'ModelSelection',
    'SessionManagement',
    'MemoryLeverage',
    'CostOptimization',
    'ToolUsage',
    'Configuration',
  ]),
  priority: z.enum(['Low', 'Medium', 'High']),
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
})
export type Recommendation = z.infer<typeof recommendation>

export const recommendationsRoutes = {
  listRecommendations: get('/api/recommendations', {
    summary: 'Get prioritized behavioral recommendations',
    query: z.object({ period: period('30d') }),
    response: z.object({
      period: z.string(),
      profile: behaviourProfile,
      recommendations: z.array(recommendation),
      count,
    }),
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
    }),
  }),
}
