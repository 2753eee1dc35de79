import { newId, timestamp } from '#sdk/ids.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface SkillRow {
  id: string
  name: string
  kind: 'structured' | 'instruction' | 'scripted' | 'builtin'
  description: string | null
  source_path: string
  /** Of the content that was loaded last. */
  content_hash: string
  triggers_json: string | null
  tool_chain_json: string | null
  policy_overrides_json: string | null
  script_path: string | null
  risk_level: RiskLevel
  enabled: boolean
  version: string
  author: string
  registry_source: string
  trusted_hash: string | null
  last_loaded_at: string | null
  created_at: string
}

export type LoadedSkill = Pick<
  SkillRow,
  | 'name'
  | 'kind'
  | 'description'
  | 'source_path'
  | 'content_hash'
  | 'triggers_json'
  | 'tool_chain_json'
  | 'policy_overrides_json'
  | 'script_path'
  | 'risk_level'
  | 'version'
  | 'author'
>

type StoredSkill = Omit<SkillRow, 'enabled'> & { enabled: number }

function toSkill(row: StoredSkill): SkillRow {
  return { ...row, enabled: row.enabled === 1 }
}

export function listSkillRows(db: ReadableDb): SkillRow[] {
  return (sql(db, 'SELECT * FROM skills ORDER BY name').all() as StoredSkill[]).map(toSkill)
}

export function findSkillRow(db: ReadableDb, name: string): SkillRow | undefined {
  const row = sql(db, 'SELECT * FROM skills WHERE name = ?').get(name) as StoredSkill | undefined
  return row && toSkill(row)
}

/** Keeps what was loaded; what the operator has decided about the skill of that name stays. */
export function saveLoadedSkill(db: WritableDb, skill: LoadedSkill): SkillRow {
  const row = sql(
    db,
    `INSERT INTO skills
       (id, name, kind, description, source_path, content_hash, triggers_json, tool_chain_json, policy_overrides_json, script_path,
        risk_level, version, author, last_loaded_at, created_at)
     VALUES
       (@id, @name, @kind, @description, @source_path, @content_hash, @triggers_json, @tool_chain_json, @policy_overrides_json, @script_path,
        @risk_level, @version, @author, @now, @now)
     ON CONFLICT (name) DO UPDATE SET
       kind = excluded.kind, description = excluded.description, source_path = excluded.source_path, content_hash = excluded.content_hash,
       triggers_json = excluded.triggers_json, tool_chain_json = excluded.tool_chain_json,
       policy_overrides_json = excluded.policy_overrides_json, script_path = excluded.script_path, risk_level = excluded.risk_level,
       version = excluded.version, author = excluded.author, last_loaded_at = excluded.last_loaded_at
     RETURNING *`,
  ).get({ id: newId(), ...skill, now: timestamp() }) as StoredSkill
  return toSkill(row)
}

/** Makes room for a skill that comes from a registry, before its files are there: it starts disabled, unless it is a new version. */
export function expectSkill(
  db: WritableDb,
  { isLive, ...skill }: { name: string; source_path: string; registry_source: string; isLive: boolean },
): void {
  sql(
    db,
    `INSERT INTO skills (id, name, kind, source_path, content_hash, enabled, registry_source, created_at)
     VALUES (@id, @name, 'instruction', @source_path, '', 0, @registry_source, @now)
     ON CONFLICT (name) DO UPDATE SET
       registry_source = excluded.registry_source,
       enabled = enabled AND @isLive AND registry_source = excluded.registry_source`,
  ).run({ id: newId(), ...skill, isLive: Number(isLive), now: timestamp() })
}

/** As if `expectSkill` had not been called. */
export function unexpectSkill(db: WritableDb, name: string, before: SkillRow | undefined): void {
  if (before)
    sql(db, 'UPDATE skills SET registry_source = ?, enabled = ? WHERE name = ?').run(
      before.registry_source,
      Number(before.enabled),
      name,
    )
  else deleteSkillRow(db, name)
}

export function setSkillEnabled(db: WritableDb, name: string, enabled: boolean): void {
  sql(db, 'UPDATE skills SET enabled = ? WHERE name = ?').run(Number(enabled), name)
}

/** The scripts of exactly this content may run; null takes it back. */
export function setTrustedHash(db: WritableDb, name: string, hash: string | null): void {
  sql(db, 'UPDATE skills SET trusted_hash = ? WHERE name = ?').run(hash, name)
}

export function deleteSkillRow(db: WritableDb, name: string): void {
  sql(db, 'DELETE FROM skills WHERE name = ?').run(name)
}
