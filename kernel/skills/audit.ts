import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ToolJudge } from '#kernel/policy/judge.ts'
import { listSkillRows } from '#kernel/store/skills.ts'
import type { Store } from '#kernel/store/store.ts'
import type { Toolbox } from '#kernel/tools/toolbox.ts'
import type { SkillAudit } from '#sdk/contracts/skills.ts'
import { reasonOf } from '#sdk/errors.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { Skills } from './registry.ts'
import { isTrusted, type Skill, type SkillSource } from './skill.ts'

/** The tools that skills most often call for. */
const probedTools = [
  'run_script',
  'read_file',
  'write_file',
  'edit_file',
  'list_directory',
  'glob_files',
  'search_files',
]

interface AuditDeps {
  store: Pick<Store, 'read'>
  skills: Skills
  toolbox: Toolbox
  /** Judges without counting or recording. */
  judge: ToolJudge
}

/** Compares what is registered with what lies on disk now, and says what skills may count on. */
export async function auditSkills({ store, skills, toolbox, judge }: AuditDeps): Promise<SkillAudit> {
  const rows = listSkillRows(store.read)
  const audited = await inParts(rows, async (row) => ({ row, ...(await standingOf(row.name, skills)) }))
  const untracked = (await skills.untracked()).map(({ entry, error }) => ({
    name: entry,
    path: join(skills.dir, entry),
    reason: error,
  }))
  return {
    skills_dir: skills.dir,
    summary: {
      db_skills: rows.length,
      disk_skills: audited.filter(({ drift_status }) => drift_status !== 'missing_on_disk').length + untracked.length,
      drifted_skills: audited.filter(({ drift_status }) => drift_status !== 'in_sync').length,
    },
    runtime: {
      registered_tools: toolbox.list().map(({ name }) => name),
      capabilities: probedTools.map((name) => capabilityOf(name, toolbox, judge)),
    },
    skills: audited.map(({ row, skill, drift_status, drift_reason, disk_hash }) => ({
      id: row.id,
      name: row.name,
      enabled: row.enabled,
      risk_level: row.risk_level,
      drift_status,
      drift_reason,
      content_hash: row.content_hash === '' ? null : row.content_hash,
      disk_hash,
      trusted: skill !== undefined && isTrusted(skill) && drift_status === 'in_sync',
      verdict: (skill?.findings.length ?? 0) > 0 ? 'findings' : 'clean',
      findings: skill?.findings ?? [],
    })),
    untracked,
  }
}

interface Standing {
  skill: Skill | undefined
  drift_status: SkillAudit['skills'][number]['drift_status']
  drift_reason: string
  disk_hash: string | null
}

/** Whether a skill is on disk what it was when it was loaded. */
export async function standingOf(name: string, skills: Skills): Promise<Standing> {
  const skill = skills.find(name)
  const broken = skill ? null : (skills.missing().find(({ row }) => row.name === name)?.error ?? null)
  if (broken !== null) return { skill, drift_status: 'invalid_metadata', drift_reason: broken, disk_hash: null }
  if (!skill || !existsSync(skill.root)) {
    const drift_reason = 'its files are not in the skills folder'
    return { skill, drift_status: 'missing_on_disk', drift_reason, disk_hash: null }
  }
  try {
    const disk = await skills.onDisk(name)
    const disk_hash = disk?.hash ?? null
    if (skill.error !== null) {
      const drift_reason = `the last good version is in use: ${skill.error}`
      return { skill, drift_status: 'invalid_metadata', drift_reason, disk_hash }
    }
    if (disk_hash === skill.hash) return { skill, drift_status: 'in_sync', drift_reason: '', disk_hash }
    const changed = disk ? changedFiles(skill, disk) : []
    const drift_reason = `loaded ${skill.hash}, on disk ${disk_hash}: ${changed.join(', ')}`
    return { skill, drift_status: 'drifted', drift_reason, disk_hash }
  } catch (thrown) {
    return { skill, drift_status: 'invalid_metadata', drift_reason: reasonOf(thrown), disk_hash: null }
  }
}

/** A few at a time: each has a folder open while it is read. */
async function inParts<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (let start = 0; start < items.length; start += auditedAtOnce)
    done.push(...(await Promise.all(items.slice(start, start + auditedAtOnce).map(work))))
  return done
}

const auditedAtOnce = 16
const maxNamedFiles = 10

function changedFiles({ files: before, uncovered }: Skill, { files: after, uncovered: left }: SkillSource): string[] {
  const known = new Map(before.map(({ path, sha256 }) => [path, sha256]))
  const changes = after.flatMap(({ path, sha256 }) =>
    known.has(path) ? (known.get(path) === sha256 ? [] : [`${path} changed`]) : [`${path} added`],
  )
  const there = new Set(after.map(({ path }) => path))
  const removed = before.filter(({ path }) => !there.has(path)).map(({ path }) => `${path} removed`)
  const beside = left.filter((path) => !uncovered.includes(path)).map((path) => `${path} added, which is not read`)
  const all = [...changes, ...removed, ...beside]
  return all.length > maxNamedFiles ? [...all.slice(0, maxNamedFiles), `${all.length - maxNamedFiles} more`] : all
}

function capabilityOf(
  tool_name: string,
  toolbox: Toolbox,
  judge: ToolJudge,
): SkillAudit['runtime']['capabilities'][number] {
  const tool = toolbox.find(tool_name)
  if (!tool) return { tool_name, present: false }
  const { name, risk } = tool
  const judged = (authority: Authority) => judge({ tool: { name, risk, paths: [] }, input: {}, authority })
  const creator = judged('Creator')
  return {
    tool_name,
    present: true,
    risk_level: risk,
    creator_allowed: creator.decision !== 'deny',
    external_allowed: judged('External').decision !== 'deny',
    approval_classification: creator.decision === 'gate' ? 'Gated' : 'Safe',
  }
}
