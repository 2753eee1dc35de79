import { join } from 'node:path'
import type { LoadedSkill, SkillRow } from '#kernel/store/skills.ts'
import type { Matcher } from './match.ts'
import { unmetRequirements } from './requirements.ts'
import { kindOf, type Skill, type SkillSource } from './skill.ts'

/** A skill as it was when it was last whole. */
export interface LiveSkill {
  source: SkillSource
  matcher: Matcher
  row: SkillRow
  /** Why it is not what lies on disk; null where it is. */
  error: string | null
}

export function toSkill({ source, row, error }: Omit<LiveSkill, 'matcher'>): Skill {
  return {
    ...source,
    id: row.id,
    enabled: row.enabled,
    trusted_hash: row.trusted_hash,
    registry_source: row.registry_source,
    created_at: row.created_at,
    last_loaded_at: row.last_loaded_at,
    error,
    unmet: unmetRequirements(source.requirements),
  }
}

export function loadedRow(source: SkillSource): LoadedSkill {
  return {
    name: source.name,
    kind: kindOf(source),
    description: source.description,
    source_path: source.source_path,
    content_hash: source.hash,
    triggers_json: JSON.stringify(source.triggers),
    tool_chain_json: source.tool_chain.length > 0 ? JSON.stringify(source.tool_chain) : null,
    policy_overrides_json: JSON.stringify(source.policy_overrides),
    script_path: source.script_path === null ? null : join(source.base, source.script_path),
    risk_level: source.risk_level,
    version: source.version,
    author: source.author,
  }
}
