import { z } from 'zod'
import { del, get, post, put } from '../route.ts'
import { modelMode } from './efficiency.ts'
import { flag } from './query.ts'
import { longField, opaqueWord, shortField } from './text-field.ts'
import { count, time } from './values.ts'

const maxNameLength = 128
const maxSkills = 200
const maxFallbacks = 20

export const subagent = z.object({
  id: z.string(),
  name: z.string(),
  display_name: z.string().nullable(),
  model: z.string(),
  role: z.enum(['subagent', 'model-proxy']),
  description: z.string().nullable(),
  skills: z.array(z.string()),
  fallback_models: z.array(z.string()),
  enabled: z.boolean(),
  session_count: count,
  /** `n/a` for a model-proxy. */
  runtime_state: z.enum(['booting', 'idle', 'running', 'stopped', 'error', 'n/a']),
  /** Enabled and running. */
  taskable: z.boolean(),
  integrity: z.object({
    /** No skills of its own. */
    hollow: z.boolean(),
    missing_session: z.boolean(),
    runtime_registered: z.boolean(),
    runtime_running: z.boolean(),
    runtime_state: z.enum(['idle', 'booting', 'running', 'stopped', 'error', 'missing']),
    repairable: z.boolean(),
    inferred_skills: z.array(z.string()),
  }),
  model_mode: modelMode,
  resolved_model: z.string().nullable(),
  created_at: time,
})
export type Subagent = z.infer<typeof subagent>

const name = shortField.superRefine((text, context) => {
  if (text.length > maxNameLength) {
    context.addIssue({
      code: 'custom',
      message: `is too long: subagent name exceeds max length of ${maxNameLength} characters`,
    })
  } else if (!/^[A-Za-z0-9_-]*$/.test(text)) {
    context.addIssue({ code: 'custom', message: 'may only contain alphanumeric characters, hyphens and underscores' })
  }
})

/** `auto`, `orchestrator` or `provider/model`; what fits the role is judged on the merged record. */
const model = opaqueWord

const editable = {
  display_name: shortField.nullish(),
  model: model.optional(),
  role: z.enum(['subagent', 'specialist', 'model-proxy'], "must be 'subagent' or 'model-proxy'").optional(),
  description: longField.nullish(),
  skills: z.array(shortField).max(maxSkills).optional(),
  fallback_models: z.array(model).max(maxFallbacks).optional(),
  personality: z.null('is not supported for subagents; describe the task in the description').optional(),
  enabled: z.boolean().optional(),
}

const toggled = z.object({ name: z.string(), enabled: z.boolean() })
const toggle = {
  summary: 'Enable/disable sub-agent',
  /** Without `enabled`, the other of what it is. */
  body: z.object({ enabled: z.boolean().optional() }).prefault({}),
  response: toggled,
}

export const subagentsRoutes = {
  listSubagents: get('/api/subagents', {
    summary: 'List sub-agent definitions',
    response: z.object({
      agents: z.array(subagent),
      count,
      runtime_summary: z.object({ booting: count, running: count, error: count }),
    }),
  }),
  createSubagent: post('/api/subagents', {
    summary: 'Create a sub-agent, or replace the one of that name',
    query: z.object({ if_absent: flag }),
    body: z.object({ name, ...editable }),
    response: z.object({
      id: z.string(),
      name: z.string(),
      created: z.literal(true),
      /** It existed. */
      updated: z.literal(true).optional(),
    }),
  }),
  getSubagent: get('/api/subagents/:name', {
    summary: 'Sub-agent detail',
    response: subagent.extend({
      recent_tasks: z.array(
        z.object({ turn_id: z.string(), status: z.string(), duration_ms: z.number().nullable(), created_at: time }),
      ),
    }),
  }),
  updateSubagent: put('/api/subagents/:name', {
    summary: 'Change a sub-agent',
    body: z.object(editable),
    response: z.object({ updated: z.literal(true), name: z.string() }),
  }),
  deleteSubagent: del('/api/subagents/:name', {
    summary: 'Delete a sub-agent',
    response: z.object({ deleted: z.literal(true), name: z.string() }),
  }),
  toggleSubagent: put('/api/subagents/:name/toggle', toggle),
  toggleSubagentByPost: post('/api/subagents/:name/toggle', toggle),
}
