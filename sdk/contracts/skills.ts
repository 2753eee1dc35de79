import { z } from 'zod'
import { del, get, post, put } from '../route.ts'
import { riskLevel } from '../services/tools.ts'
import { filter, flag } from './query.ts'
import { shortField } from './text-field.ts'
import { count, jsonObject, time } from './values.ts'

const maxSkillsPerCall = 100

/** What one skill is, whichever route shows it. */
const skillFields = {
  /** `builtin:<name>` for those that are in no file. */
  id: z.string(),
  name: z.string(),
  kind: z.enum(['structured', 'instruction', 'scripted', 'builtin']),
  description: z.string().nullable(),
  risk_level: riskLevel,
  /** Always true when `built_in`. */
  enabled: z.boolean(),
  built_in: z.boolean(),
  last_loaded_at: time.nullable(),
  created_at: time.nullable(),
  version: z.string(),
  author: z.string(),
  /** `local`, or the registry that it came from. */
  registry_source: z.string(),
}

export const driftStatus = z.enum(['in_sync', 'drifted', 'missing_on_disk', 'invalid_metadata'])

const finding = z.object({ code: z.string(), message: z.string() })

const skillTriggers = z.object({
  keywords: z.array(z.string()),
  tool_names: z.array(z.string()),
  regex_patterns: z.array(z.string()),
})

const standing = {
  triggers: skillTriggers,
  priority: z.number(),
  source_path: z.string().nullable(),
  /** As of when it was loaded; the audit looks at the disk. */
  drift_status: driftStatus,
  /** Why this is the last good version and not what lies on disk. */
  error: z.string().nullable(),
  /** Its scripts may run: an operator has allowed exactly this content. */
  trusted: z.boolean(),
  /** What the machine lacks for it, in words. */
  unmet_requirements: z.array(z.string()),
  /** What a strict reader would find wrong; empty for a clean skill. */
  findings: z.array(finding),
}

export const skill = z.object({ ...skillFields, ...standing })
export type Skill = z.infer<typeof skill>

export const skillDetail = z.object({
  ...skillFields,
  ...standing,
  content_hash: z.string().nullable(),
  /** Texts that hold JSON. */
  triggers_json: z.string().nullable(),
  tool_chain_json: z.string().nullable(),
  policy_overrides_json: z.string().nullable(),
  script_path: z.string().nullable(),
  /** The file as it is, at most 1 MiB; null with `content_error` when it cannot be read. */
  content: z.string().nullable(),
  content_error: z.string().optional(),
  body: z.string().nullable(),
  frontmatter: jsonObject,
  /** At most 1,000 of its files. */
  files: z.array(z.object({ path: z.string(), bytes: count, sha256: z.string() })),
})

export const skillReload = z.object({
  reloaded: z.literal(true),
  scanned: count,
  added: count,
  updated: count,
  rejected: count,
  unchanged: count,
  removed: count,
  issues: z.array(z.string()),
})

export const catalogSkill = z.discriminatedUnion('source', [
  z.object({
    source: z.literal('builtin'),
    kind: z.literal('builtin'),
    name: z.string(),
    description: z.string(),
    installed: z.literal(true),
  }),
  z.object({
    source: z.literal('registry'),
    kind: z.literal('instruction'),
    name: z.string(),
    filename: z.string(),
    sha256: z.string(),
    version: z.string(),
    description: z.string(),
    tags: z.array(z.string()),
    author: z.string(),
    registry: z.string(),
    installed: z.boolean(),
    installed_version: z.string().nullable(),
  }),
])

const toolCapability = z.union([
  z.object({ tool_name: z.string(), present: z.literal(false) }),
  z.object({
    tool_name: z.string(),
    present: z.literal(true),
    risk_level: riskLevel,
    creator_allowed: z.boolean(),
    external_allowed: z.boolean(),
    /** `Safe`, `Gated`, or `error:` and why. */
    approval_classification: z.string(),
  }),
])

export const skillAudit = z.object({
  skills_dir: z.string(),
  summary: z.object({ db_skills: count, disk_skills: count, drifted_skills: count }),
  runtime: z.object({ registered_tools: z.array(z.string()), capabilities: z.array(toolCapability) }),
  skills: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      enabled: z.boolean(),
      risk_level: riskLevel,
      drift_status: driftStatus,
      /** Empty when in sync. */
      drift_reason: z.string(),
      content_hash: z.string().nullable(),
      disk_hash: z.string().nullable(),
      trusted: z.boolean(),
      /** `clean`, or `findings` that a strict reader has. */
      verdict: z.enum(['clean', 'findings']),
      findings: z.array(finding),
    }),
  ),
  /** On disk, and no skill: with the reason. */
  untracked: z.array(z.object({ name: z.string(), path: z.string(), reason: z.string() })),
})

export type SkillAudit = z.infer<typeof skillAudit>

const skillNames = z.array(shortField).max(maxSkillsPerCall)

export const skillsRoutes = {
  listSkills: get('/api/skills', {
    summary: 'List all registered skills',
    response: z.object({ skills: z.array(skill) }),
  }),
  getSkill: get('/api/skills/:id', { summary: 'Skill detail + content', response: skillDetail }),
  deleteSkill: del('/api/skills/:id', {
    summary: 'Delete a skill',
    /** `purge`: delete the file, rather than move it to the trash folder. */
    query: z.object({ purge: flag }),
    response: z.object({ id: z.string(), name: z.string(), deleted: z.literal(true) }),
  }),
  reloadSkills: post('/api/skills/reload', { summary: 'Trigger hot-reload from disk', response: skillReload }),
  toggleSkill: put('/api/skills/:id/toggle', {
    summary: 'Enable/disable a skill',
    /** Without `enabled`, the other of what it is. */
    body: z.object({ enabled: z.boolean().optional() }).prefault({}),
    response: z.object({ id: z.string(), enabled: z.boolean() }),
  }),
  listCatalog: get('/api/skills/catalog', {
    summary: 'List catalog skills (available to install)',
    query: z.object({ q: filter }),
    response: z.object({ items: z.array(catalogSkill), registry_error: z.string().optional() }),
  }),
  installCatalogSkills: post('/api/skills/catalog/install', {
    summary: 'Install a skill from catalog',
    body: z.object({ skills: skillNames.min(1, 'list is required'), activate: z.boolean().default(false) }),
    response: z.object({
      ok: z.literal(true),
      version: z.string(),
      /** File names. */
      installed: z.array(z.string()),
      not_found: z.array(z.string()),
      activated: z.boolean(),
      activation: skillReload.nullable(),
    }),
  }),
  activateCatalogSkills: post('/api/skills/catalog/activate', {
    summary: 'Activate an installed catalog skill',
    body: z.object({ skills: skillNames }),
    response: z.object({
      ok: z.literal(true),
      requested_skills: z.array(z.string()),
      activated: z.array(z.string()),
      activation: skillReload,
    }),
  }),
  trustSkill: post('/api/skills/:id/trust', {
    summary: "Allow a skill's scripts to run, as they are now",
    /** `hash`: what was looked at; another content on disk is a conflict. `trusted: false` takes it back. */
    body: z.object({ hash: shortField.optional(), trusted: z.boolean().default(true) }).prefault({}),
    response: z.object({ id: z.string(), name: z.string(), trusted: z.boolean(), hash: z.string() }),
  }),
  repairSkills: post('/api/skills/audit/repair', {
    summary: 'Bring what is registered and what lies on disk together',
    response: z.object({
      /** Names: read again as they lie on disk, and forgotten as they lie nowhere. */
      reloaded: z.array(z.string()),
      forgotten: z.array(z.string()),
      issues: z.array(z.string()),
    }),
  }),
  auditSkills: get('/api/skills/audit', { summary: 'Audit skill integrity', response: skillAudit }),
}
