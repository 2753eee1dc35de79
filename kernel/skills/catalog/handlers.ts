import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { builtinSkills, isBuiltin } from '#kernel/skills/builtin.ts'
import type { Skills } from '#kernel/skills/registry.ts'
import type { skillsRoutes } from '#sdk/contracts/skills.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { installSkills } from './install-skills.ts'

type CatalogRoutes = Pick<typeof skillsRoutes, 'listCatalog' | 'installCatalogSkills' | 'activateCatalogSkills'>

export const catalogHandlers: Handlers<CatalogRoutes, Pick<Context, 'skills' | 'catalogs' | 'store' | 'bus'>> = {
  async listCatalog({ query }, { skills, catalogs }) {
    const q = query.q?.toLowerCase() ?? ''
    const fits = ({ name, description }: { name: string; description: string }) =>
      `${name}\n${description}`.toLowerCase().includes(q)
    const { skills: offered, error } = await catalogs.offers()
    const items = offered
      .filter(({ name }) => !isBuiltin(name))
      .map(({ source: _source, path: _path, ...entry }) => {
        const installed = skills.find(entry.name)
        return {
          ...entry,
          source: 'registry' as const,
          kind: 'instruction' as const,
          installed: installed !== undefined,
          installed_version: installed?.version ?? null,
        }
      })
    const builtins = builtinSkills.map(({ name, description }) => ({
      source: 'builtin' as const,
      kind: 'builtin' as const,
      name,
      description,
      installed: true as const,
    }))
    return { items: [...builtins, ...items].filter(fits), ...(error !== undefined && { registry_error: error }) }
  },

  async installCatalogSkills({ body }, { skills, catalogs, store, bus }) {
    const builtin = body.skills.filter((name) => isBuiltin(name.replace(/\.(?:md|zip)$/i, '')))
    if (builtin.length > 0)
      throw new RuntimeError('invalid', `cannot install skills that are built-in: ${builtin.join(', ')}`)
    const { skills: offered, version, error } = await catalogs.offers()
    if (offered.length === 0 && error !== undefined)
      throw new RuntimeError('upstream_failed', `failed to fetch catalog: ${error}`)
    const found = offered.filter(({ name, filename }) => body.skills.includes(name) || body.skills.includes(filename))
    const not_found = body.skills.filter(
      (wanted) => !found.some(({ name, filename }) => name === wanted || filename === wanted),
    )
    if (found.length === 0) throw new RuntimeError('not_found', 'no matching catalog skills found')
    const activation = { reloaded: true as const, ...(await installSkills(found, { skills, store })) }
    if (body.activate) for (const { name } of found) skills.setEnabled(name, true)
    bus.publish('skills_changed', { op: 'install', ids: found.map(({ name }) => skills.find(name)?.id ?? name) })
    return {
      ok: true,
      version,
      installed: found.map(({ filename }) => filename),
      not_found,
      activated: body.activate,
      activation: body.activate ? activation : null,
    }
  },

  async activateCatalogSkills({ body }, { skills }) {
    const activation = { reloaded: true as const, ...(await skills.reload()) }
    const named = body.skills.map((wanted) => loadInstalled(skills, wanted))
    for (const { name } of named) skills.setEnabled(name, true)
    return { ok: true, requested_skills: body.skills, activated: named.map(({ name }) => name), activation }
  },
}

function loadInstalled(skills: Skills, wanted: string) {
  const skill = skills.find(wanted) ?? skills.find(wanted.replace(/\.(?:md|zip)$/i, ''))
  if (!skill) throw new RuntimeError('not_found', `skill ${wanted} is not installed`)
  return skill
}
