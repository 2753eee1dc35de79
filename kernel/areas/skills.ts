import { join } from 'node:path'
import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { auditSkills, standingOf } from '#kernel/skills/audit.ts'
import { type BuiltinSkill, builtinSkills, isBuiltin } from '#kernel/skills/builtin.ts'
import { catalogHandlers } from '#kernel/skills/catalog/handlers.ts'
import { readText } from '#kernel/skills/read-skill.ts'
import type { Skills } from '#kernel/skills/registry.ts'
import { isTrusted, kindOf, type Skill } from '#kernel/skills/skill.ts'
import type { Skill as SkillView, skillsRoutes } from '#sdk/contracts/skills.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'

const builtinPrefix = 'builtin:'
const maxListedFiles = 1_000
const noTriggers = { keywords: [], tool_names: [], regex_patterns: [] }

export const skillsHandlers: Handlers<
  typeof skillsRoutes,
  Pick<Context, 'skills' | 'catalogs' | 'store' | 'bus' | 'toolbox' | 'dryJudge'>
> = {
  ...catalogHandlers,

  listSkills: (_, { skills }) => ({
    skills: [...skills.list().map(view), ...skills.missing().map(missingView), ...builtinSkills.map(builtinView)].sort(
      (left, right) => (left.name < right.name ? -1 : 1),
    ),
  }),

  async getSkill({ params }, { skills }) {
    const builtin = findBuiltin(params.id)
    if (builtin) return { ...builtinView(builtin), ...noFile, content: builtin.body, body: builtin.body }
    const gone = findMissing(skills, params.id)
    if (gone) return { ...missingView(gone), ...noFile, content: null, content_error: missingReason(gone), body: null }
    const skill = loadSkill(skills, params.id)
    const content = await readText(skill.source_path).then(
      (text) => ({ content: text }),
      (thrown: unknown) => ({ content: null, content_error: reasonOf(thrown) }),
    )
    return {
      ...view(skill),
      ...content,
      content_hash: skill.hash,
      triggers_json: JSON.stringify(skill.triggers),
      tool_chain_json: skill.tool_chain.length > 0 ? JSON.stringify(skill.tool_chain) : null,
      policy_overrides_json: JSON.stringify(skill.policy_overrides),
      script_path: skill.script_path === null ? null : join(skill.base, skill.script_path),
      body: skill.body,
      frontmatter: skill.frontmatter,
      files: skill.files.slice(0, maxListedFiles),
    }
  },

  async deleteSkill({ params, query }, { skills }) {
    refuseBuiltin(params.id, 'deleted')
    const { id, name } = findMissing(skills, params.id)?.row ?? loadSkill(skills, params.id)
    await skills.remove(name, { purge: query.purge })
    return { id, name, deleted: true }
  },

  reloadSkills: async (_, { skills }) => ({ reloaded: true, ...(await skills.reload()) }),

  toggleSkill({ params, body }, { skills }) {
    refuseBuiltin(params.id, 'disabled')
    const skill = loadSkill(skills, params.id)
    const enabled = body.enabled ?? !skill.enabled
    skills.setEnabled(skill.name, enabled)
    return { id: skill.id, enabled }
  },

  async trustSkill({ params, body }, { skills }) {
    refuseBuiltin(params.id, 'changed')
    const skill = loadSkill(skills, params.id)
    const { drift_status, drift_reason } = await standingOf(skill.name, skills)
    if (body.trusted && drift_status !== 'in_sync')
      throw new RuntimeError('conflict', `skill ${skill.name} has changed on disk: ${drift_reason}`)
    if (body.trusted && body.hash !== undefined && body.hash !== skill.hash)
      throw new RuntimeError('conflict', `hash: skill ${skill.name} is ${skill.hash} now`)
    skills.setTrusted(skill.name, body.trusted ? skill.hash : null)
    return { id: skill.id, name: skill.name, trusted: body.trusted, hash: skill.hash }
  },

  auditSkills: (_, { skills, store, toolbox, dryJudge }) => auditSkills({ skills, store, toolbox, judge: dryJudge }),

  async repairSkills(_, { skills }) {
    const drifted: string[] = []
    for (const { name } of skills.list())
      if ((await standingOf(name, skills)).drift_status !== 'in_sync') drifted.push(name)
    const { issues } = await skills.reload()
    const forgotten = skills.missing().flatMap(({ row, error }) => (error === null ? [row.name] : []))
    for (const name of forgotten) skills.forget(name)
    return { reloaded: drifted.filter((name) => !forgotten.includes(name)), forgotten, issues }
  },
}

function loadSkill(skills: Skills, idOrName: string): Skill {
  const skill = skills.find(idOrName)
  if (!skill) throw new RuntimeError('not_found', `skill ${idOrName} not found`)
  return skill
}

function findBuiltin(id: string): BuiltinSkill | undefined {
  const name = id.startsWith(builtinPrefix) ? id.slice(builtinPrefix.length) : id
  return builtinSkills.find((builtin) => builtin.name === name.toLowerCase())
}

function refuseBuiltin(id: string, what: string): void {
  const name = findBuiltin(id)?.name
  if (name !== undefined) throw new RuntimeError('forbidden', `skill ${name} is built-in and cannot be ${what}`)
}

function view(skill: Skill): SkillView {
  const { id, name, description, risk_level, enabled, version, author, triggers, priority, findings } = skill
  return {
    id,
    name,
    kind: kindOf(skill),
    description,
    risk_level,
    enabled,
    built_in: isBuiltin(name),
    last_loaded_at: skill.last_loaded_at,
    created_at: skill.created_at,
    version,
    author,
    registry_source: skill.registry_source,
    triggers,
    priority,
    source_path: skill.source_path,
    drift_status: skill.error === null ? 'in_sync' : 'invalid_metadata',
    error: skill.error,
    trusted: isTrusted(skill),
    unmet_requirements: skill.unmet,
    findings,
  }
}

type Missing = ReturnType<Skills['missing']>[number]

function findMissing(skills: Skills, idOrName: string): Missing | undefined {
  return skills.missing().find(({ row: { id, name } }) => id === idOrName || name === idOrName.toLowerCase())
}

function missingReason({ error }: Missing): string {
  return error ?? 'its files are not in the skills folder'
}

/** A skill whose files are gone or broken: known still, and of no use. */
function missingView(missing: Missing): SkillView {
  const { row: fields, error } = missing
  return {
    id: fields.id,
    name: fields.name,
    kind: fields.kind,
    description: fields.description,
    risk_level: fields.risk_level,
    enabled: false,
    built_in: false,
    last_loaded_at: fields.last_loaded_at,
    created_at: fields.created_at,
    version: fields.version,
    author: fields.author,
    registry_source: fields.registry_source,
    source_path: fields.source_path,
    triggers: noTriggers,
    priority: 0,
    drift_status: error === null ? 'missing_on_disk' : 'invalid_metadata',
    error: missingReason(missing),
    trusted: false,
    unmet_requirements: [],
    findings: [],
  }
}

const noFile = {
  content_hash: null,
  triggers_json: null,
  tool_chain_json: null,
  policy_overrides_json: null,
  script_path: null,
  frontmatter: {},
  files: [],
}

function builtinView({ name, description }: BuiltinSkill): SkillView {
  return {
    id: `${builtinPrefix}${name}`,
    name,
    kind: 'builtin',
    description,
    risk_level: 'Safe',
    enabled: true,
    built_in: true,
    last_loaded_at: null,
    created_at: null,
    version: '1.0.0',
    author: 'keel',
    registry_source: 'builtin',
    triggers: noTriggers,
    priority: 5,
    source_path: null,
    drift_status: 'in_sync',
    error: null,
    trusted: true,
    unmet_requirements: [],
    findings: [],
  }
}
