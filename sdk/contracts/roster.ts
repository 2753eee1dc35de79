import { z } from 'zod'
import { get, put } from '../route.ts'
import { modelMode } from './efficiency.ts'
import { opaqueWord, shortField } from './text-field.ts'
import { count } from './values.ts'

const maxFallbacks = 20

export const orchestratorCard = z.object({
  id: z.string(),
  name: z.string(),
  display_name: z.string(),
  role: z.literal('orchestrator'),
  model: z.string(),
  enabled: z.literal(true),
  color: z.string(),
  state: z.literal('Running'),
  session_count: count.nullable(),
  description: z.string().nullable(),
  voice: z
    .object({
      formality: z.string(),
      proactiveness: z.string(),
      verbosity: z.string(),
      humor: z.string(),
      domain: z.string(),
    })
    .nullable(),
  missions: z.array(
    z.object({ name: z.string(), timeframe: z.string(), priority: z.string(), description: z.string() }),
  ),
  firmware_rules: z.array(z.object({ type: z.enum(['must', 'must_not']), rule: z.string() })),
  skills: z.array(z.string()),
  capabilities: z.array(z.string()),
  skill_breakdown: z.record(z.string(), z.array(z.string())),
  subordinates: z.array(z.string()),
  stats: z.object({
    subordinate_count: count,
    running_subordinates: count,
    total_skills: count,
    enabled_skills: count,
  }),
  fallbacks: z.array(z.string()),
  model_order: z.array(z.string()),
})

export const subagentCard = z.object({
  id: z.string(),
  name: z.string(),
  display_name: z.string(),
  role: z.literal('subagent'),
  model: z.string(),
  fallback_models: z.array(z.string()),
  model_mode: modelMode,
  resolved_model: z.string().nullable(),
  enabled: z.boolean(),
  color: z.string(),
  state: z.enum(['Running', 'Idle', 'Starting', 'Stopped', 'Error', 'Disabled']),
  session_count: count,
  description: z.string().nullable(),
  skills: z.array(z.string()),
  fixed_skills: z.array(z.string()),
  /** The orchestrator's enabled skills. */
  shared_skills: z.array(z.string()),
  /** The orchestrator's id. */
  supervisor: z.string(),
})

const modelChange = { updated: z.literal(true), agent: z.string(), old_model: z.string(), new_model: z.string() }

export const rosterRoutes = {
  getRoster: get('/api/roster', {
    summary: 'List all agents with model assignments',
    response: z.object({
      /** The orchestrator first. */
      roster: z.array(z.discriminatedUnion('role', [orchestratorCard, subagentCard])),
      count,
      taskable_subagent_count: count,
      model_proxy_count: count,
      model_proxies: z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          display_name: z.string(),
          role: z.literal('model-proxy'),
          model: z.string(),
          enabled: z.boolean(),
        }),
      ),
    }),
  }),
  setRosterModel: put('/api/roster/:name/model', {
    summary: "Change an agent's model assignment",
    body: z.object({ model: shortField, fallbacks: z.array(opaqueWord).max(maxFallbacks).optional() }),
    response: z.union([
      z.object({
        ...modelChange,
        persisted: z.boolean(),
        fallbacks: z.array(z.string()),
        /** The primary, then the fallbacks. */
        model_order: z.array(z.string()),
        warning: z.string().optional(),
      }),
      z.object({ ...modelChange, fallback_models: z.array(z.string()), scope: z.string() }),
    ]),
  }),
}
