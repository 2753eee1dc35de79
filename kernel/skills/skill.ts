import type { SkillText } from '#sdk/skill.ts'

/** A file of a skill's folder. */
export interface SkillFile {
  /** From the folder on, with slashes. */
  path: string
  bytes: number
  /** Lower-case hex. */
  sha256: string
}

/** A skill as it stands on disk. */
export interface SkillSource extends SkillText {
  /** Absolute: the skill's folder, or its file where it is a single one. */
  root: string
  /** Absolute: where the paths of its files begin. */
  base: string
  /** Absolute: what was read, such as its SKILL.md. */
  source_path: string
  /** Everything that it consists of; of a folder, dependency folders left out. */
  files: SkillFile[]
  /** Over all of it, lower-case hex. */
  hash: string
  /** What lies among its files and is in no digest, such as a dependency folder or a link: a script could still read it. */
  uncovered: string[]
}

/** What Keel knows of a skill, besides what its files say. */
export interface SkillState {
  /** The same for the same name. */
  id: string
  enabled: boolean
  /** Of the content whose scripts an operator has allowed. */
  trusted_hash: string | null
  registry_source: string
  created_at: string
  last_loaded_at: string | null
}

export interface Skill extends SkillSource, SkillState {
  /** Why this is the last good version and not what is on disk; null where they are the same. */
  error: string | null
  /** What the machine lacks for it, in words; empty where it can be used. */
  unmet: string[]
}

/** It brings something along that may run, once it is trusted. */
export function hasScripts({ files, script_path }: Pick<SkillSource, 'files' | 'script_path'>): boolean {
  return script_path !== null || files.some(({ path }) => path.startsWith('scripts/'))
}

export function kindOf(skill: SkillSource): 'structured' | 'scripted' | 'instruction' {
  if (skill.kind === 'structured') return 'structured'
  return hasScripts(skill) ? 'scripted' : 'instruction'
}

export function isTrusted({ hash, trusted_hash }: Pick<Skill, 'hash' | 'trusted_hash'>): boolean {
  return trusted_hash === hash
}

/** It may be put before a model. */
export function isUsable({ enabled, unmet, policy_overrides }: Skill): boolean {
  return enabled && unmet.length === 0 && !policy_overrides.disabled
}
