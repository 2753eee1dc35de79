import { z } from 'zod'
import { count, dollars, time } from './values.ts'

export const severity = z.enum(['info', 'warning', 'critical'])
export type Severity = z.infer<typeof severity>

export const tip = z.object({
  severity,
  category: z.enum(['budget', 'memory', 'prompt', 'tools', 'cost', 'quality']),
  rule_name: z.string(),
  message: z.string(),
  suggestion: z.string(),
})
export type Tip = z.infer<typeof tip>

/** What an analysis found: what it rests on, and what could be done about it. Plain text without links. */
export const finding = z.object({ severity, title: z.string(), evidence: z.string(), advice: z.string() })
export type Finding = z.infer<typeof finding>

/** What an analysis of a turn or a session answers, beside what it is about. */
export const analysis = z.object({
  status: z.literal('complete'),
  /** Markdown without links, pictures and HTML, whatever the model wrote. */
  analysis: z.string(),
  /** `heuristic` when the rules alone speak. */
  analysis_model: z.string(),
  /** Why the rules alone speak; null where a model does. */
  reason: z.string().nullable(),
  summary: z.string(),
  findings: z.array(finding),
  /** What to change, most useful first. */
  changes: z.array(z.string()),
  tips: z.array(tip),
  /** Of the model's calls, those that were of no use included. */
  tokens_in: count,
  tokens_out: count,
  cost: dollars,
  created_at: time,
  /** Made earlier and kept; `refresh=true` has it made anew. */
  stored: z.boolean(),
  /** What it is about has changed since. */
  stale: z.boolean(),
})
export type Analysis = z.infer<typeof analysis>
