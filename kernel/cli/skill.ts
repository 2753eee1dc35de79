import { existsSync } from 'node:fs'
import { RuntimeError } from '#sdk/errors.ts'
import type { CliSession } from './connection.ts'
import { confirmed } from './plugin-install.ts'
import { installSkillFrom } from './skill-files.ts'

export async function listSkills({ client, out }: CliSession, { all = false }: { all?: boolean }): Promise<void> {
  out.value(await client.skills.listSkills(), ({ skills }) => {
    const shown = skills.filter(({ built_in }) => all || !built_in)
    if (shown.length === 0)
      return out.line('There are no skills but the built-in ones (--all). Write one with: keel skill new NAME')
    out.table(
      ['NAME', 'KIND', 'STATE', 'SCRIPTS', 'FROM', 'NOTE'],
      shown.map((skill) => [
        skill.name,
        skill.kind,
        skill.drift_status === 'missing_on_disk' ? 'missing' : skill.enabled ? 'on' : 'off',
        skill.kind === 'scripted' || skill.kind === 'structured' ? (skill.trusted ? 'trusted' : 'not trusted') : '–',
        skill.registry_source,
        skill.error ?? skill.unmet_requirements[0] ?? skill.findings[0]?.message ?? '',
      ]),
    )
  })
}

export async function showSkill({ client, out }: CliSession, name: string): Promise<void> {
  out.value(await client.skills.getSkill({ params: { id: name } }), (skill) => {
    out.line(`${out.style('bold', skill.name)} ${skill.version} – ${skill.enabled ? 'on' : 'off'}`)
    if (skill.description !== null) out.line(skill.description)
    if (skill.error !== null) out.line(out.style('red', skill.error))
    for (const unmet of skill.unmet_requirements) out.line(out.style('yellow', unmet))
    for (const { code, message } of skill.findings) out.line(out.style('yellow', `${code}: ${message}`))
    if (skill.source_path !== null) out.line(`${skill.source_path} (${skill.content_hash?.slice(0, 12)})`)
    for (const { path, bytes } of skill.files) out.line(out.style('dim', `  ${path} (${bytes} bytes)`))
    out.line()
    out.line(skill.body ?? '')
  })
}

export async function reloadSkills({ client, out }: CliSession): Promise<void> {
  out.value(await client.skills.reloadSkills(), ({ scanned, added, updated, rejected, removed, issues }) => {
    out.line(`${scanned} read: ${added} new, ${updated} changed, ${removed} gone, ${rejected} rejected.`)
    for (const issue of issues) out.line(out.style('yellow', issue))
  })
}

export async function toggleSkill({ client, out }: CliSession, name: string, enabled: boolean): Promise<void> {
  out.value(await client.skills.toggleSkill({ params: { id: name }, body: { enabled } }), () =>
    out.line(`${name} is ${enabled ? 'on' : 'off'}.`),
  )
}

/** Shows what would be allowed to run, and binds the permission to exactly that. */
export async function trustSkill(
  session: CliSession,
  name: string,
  { yes = false, revoke = false }: { yes?: boolean; revoke?: boolean },
): Promise<void> {
  const { client, out } = session
  const skill = await client.skills.getSkill({ params: { id: name } })
  if (!revoke && !yes) {
    for (const { path, bytes, sha256 } of skill.files) out.note(`  ${path} (${bytes} bytes, ${sha256.slice(0, 12)})`)
    if (!(await confirmed(session, `May the scripts of ${name} run, as they are now? [y/N] `)))
      return out.note('Nothing was changed. Without a terminal, say --yes.')
  }
  const body = { trusted: !revoke, ...(skill.content_hash !== null && { hash: skill.content_hash }) }
  out.value(await client.skills.trustSkill({ params: { id: name }, body }), ({ trusted, hash }) =>
    out.line(
      trusted
        ? `The scripts of ${name} may run as long as it is ${hash.slice(0, 12)}.`
        : `The scripts of ${name} may not run.`,
    ),
  )
}

export async function removeSkill({ client, out }: CliSession, name: string): Promise<void> {
  out.value(await client.skills.deleteSkill({ params: { id: name }, query: {} }), () =>
    out.line(`${name} is in the trash folder of the skills folder.`),
  )
}

export async function auditSkills(
  { client, out }: CliSession,
  { repair = false }: { repair?: boolean },
): Promise<void> {
  if (repair) {
    out.value(await client.skills.repairSkills(), ({ reloaded, forgotten, issues }) => {
      out.line(`Read again: ${reloaded.join(', ') || 'none'}. Forgotten: ${forgotten.join(', ') || 'none'}.`)
      for (const issue of issues) out.line(out.style('yellow', issue))
    })
    return
  }
  out.value(await client.skills.auditSkills(), ({ skills, untracked, summary }) => {
    out.table(
      ['NAME', 'DISK', 'SCRIPTS', 'VERDICT', 'NOTE'],
      skills.map((skill) => [
        skill.name,
        skill.drift_status,
        skill.trusted ? 'trusted' : 'not trusted',
        skill.verdict,
        skill.drift_reason || (skill.findings[0]?.message ?? ''),
      ]),
    )
    for (const { name, reason } of untracked) out.line(out.style('yellow', `${name}: ${reason}`))
    out.line(`${summary.db_skills} registered, ${summary.disk_skills} on disk, ${summary.drifted_skills} differ.`)
  })
}

export async function listCatalog({ client, out }: CliSession, q?: string): Promise<void> {
  out.value(await client.skills.listCatalog({ query: q === undefined ? {} : { q } }), ({ items, registry_error }) => {
    const offered = items.filter((item) => item.source === 'registry')
    if (registry_error !== undefined) out.note(registry_error)
    if (offered.length === 0)
      return out.line('No catalog offers such a skill. Name one with: keel config set update.registry_url ADDRESS')
    out.table(
      ['NAME', 'VERSION', 'INSTALLED', 'FROM', 'DESCRIPTION'],
      offered.map(({ name, version, installed_version, registry, description }) => [
        name,
        version,
        installed_version ?? '–',
        registry,
        description,
      ]),
    )
  })
}

/** From the catalog by name, or from a folder, archive or file of this machine. */
export async function installSkills(
  session: CliSession,
  sources: readonly string[],
  { activate = false }: { activate?: boolean },
): Promise<void> {
  const { client, out } = session
  const local = sources.filter((source) => source.includes('/') && existsSync(source))
  for (const source of local) await installSkillFrom(session, source)
  const skills = sources.filter((source) => !local.includes(source))
  if (skills.length === 0) return
  const answer = await client.skills.installCatalogSkills({ body: { skills, activate } })
  out.value(answer, ({ installed, not_found, activated }) => {
    out.line(`Installed ${installed.join(', ')}${activated ? '.' : ', off until: keel skill enable NAME'}`)
    if (not_found.length > 0) throw new RuntimeError('not_found', `no catalog has ${not_found.join(', ')}`)
  })
}
