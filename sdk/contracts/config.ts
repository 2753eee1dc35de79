import { z } from 'zod'
import { get, put } from '../route.ts'
import { jsonObject, time } from './values.ts'

export const configUpdate = z.object({
  updated: z.boolean(),
  persisted: z.boolean(),
  message: z.string(),
  backup_path: z.string().nullable(),
  /** Dotted paths that take effect at the next start. */
  deferred_apply: z.array(z.string()),
  ignored_keys: z.array(z.string()),
  /** Dotted paths that were kept but stay without effect, because the environment sets them. */
  shadowed: z.array(z.string()),
})
export type ConfigUpdate = z.infer<typeof configUpdate>

export const configCapabilities = z.object({
  immutable_sections: z.array(z.string()),
  mutable_sections: z.array(z.string()),
  notes: z.object({
    runtime_reload: z.string(),
    deferred_apply_examples: z.array(z.string()),
    deferred_apply_behavior: z.string(),
  }),
  features: z.record(z.string(), z.boolean()),
})

export const configSource = z.enum(['default', 'file', 'override', 'environment'])

export const configStatus = z.object({
  config_path: z.string(),
  last_attempt_at: time.nullable(),
  last_success_at: time.nullable(),
  last_error: z.string().nullable(),
  last_backup_path: z.string().nullable(),
  deferred_apply: z.array(z.string()),
  file_mtime: time.nullable(),
  /** The file differs from the running configuration. */
  drift: z.boolean(),
  pending_restart: z.boolean(),
  /** Where each value that is not a default came from, by dotted path. */
  sources: z.record(z.string(), configSource),
})
export type ConfigStatus = z.infer<typeof configStatus>

export const configRoutes = {
  getConfig: get('/api/config', { summary: 'Current configuration', response: jsonObject }),
  updateConfig: put('/api/config', { summary: 'Update configuration', body: jsonObject, response: configUpdate }),
  getConfigCapabilities: get('/api/config/capabilities', {
    summary: 'Feature capability flags',
    response: configCapabilities,
  }),
  getConfigStatus: get('/api/config/status', {
    summary: 'Config apply status',
    response: z.object({ status: configStatus }),
  }),
}
