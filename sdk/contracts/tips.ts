import { z } from 'zod'
import { count, dollars } from './values.ts'

export const tip = z.object({
  severity: z.enum(['info', 'warning', 'critical']),
  category: z.enum(['budget', 'memory', 'prompt', 'tools', 'cost', 'quality']),
  rule_name: z.string(),
  message: z.string(),
  suggestion: z.string(),
})
export type Tip = z.infer<typeof tip>

/** What an analysis of a turn or a session answers, beside what it is about. */
export const analysis = z.object({
  status: z.literal('complete'),
  /** Markdown. */
  analysis: z.string(),
  /** `heuristic` when no model could be asked. */
  analysis_model: z.string(),
  summary: z.string(),
  tips: z.array(tip),
  tokens_in: count,
  tokens_out: count,
  cost: dollars,
})
