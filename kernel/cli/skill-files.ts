import { existsSync } from 'node:fs'
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { skillNamePattern } from '#sdk/skill.ts'
import { openConfig } from '../config/live-config.ts'
import { isForeignFolder } from '../guests/plain-file.ts'
import { openHome } from '../home.ts'
import { buildCatalog } from '../skills/catalog/build-catalog.ts'
import { readSkill } from '../skills/read-skill.ts'
import { unpackSkill } from '../skills/unpack-skill.ts'
import type { CliSession } from './connection.ts'

/** Puts a skill's folder, archive or file into this home's skills folder; a Keel that runs takes it up. */
export async function installSkillFrom({ home, io, out }: CliSession, source: string): Promise<void> {
  openHome(home.root, io.env)
  const dir = openConfig(home, io.env).current().skills.skills_dir
  const from = resolve(source)
  const staging = join(dir, '.staging', newId())
  try {
    await mkdir(staging, { recursive: true, mode: 0o700 })
    const isArchive = extname(from) === '.zip'
    // As catalogs name them: without the version.
    const name = isArchive ? basename(from, '.zip').replace(/-v?\d+(?:\.\w+)+$/, '') : basename(from)
    const staged = join(staging, name)
    if (isArchive) await unpackSkill(from, staged)
    else {
      const filter = (path: string) => path === from || !isForeignFolder(basename(path))
      await cp(from, staged, { recursive: true, filter, verbatimSymlinks: true })
    }
    const skill = await readSkill(staged)
    const target = join(dir, basename(skill.root))
    if (existsSync(target))
      throw new RuntimeError(
        'conflict',
        `${skill.name} is there already: remove it with keel skill remove ${skill.name}`,
      )
    await rename(skill.root, target)
    out.value({ name: skill.name, hash: skill.hash, findings: skill.findings }, ({ name, findings }) => {
      out.line(`${name} is installed. Its scripts, where it has any, run once you trust them: keel skill trust ${name}`)
      for (const { message } of findings) out.line(out.style('yellow', message))
    })
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Writes the folder of a new skill. */
export async function newSkill({ out }: CliSession, name: string): Promise<void> {
  if (!skillNamePattern.test(name))
    throw new RuntimeError(
      'invalid',
      `${JSON.stringify(name)}: a skill's name has lower-case letters, digits and -, at most 64`,
    )
  const folder = resolve(name)
  await mkdir(folder, { recursive: true })
  const text = `---
name: ${name}
description: What it does, in a sentence. Use when somebody asks for …
---
# ${name}

1. Say step by step what to do, in the imperative.
2. Scripts go into scripts/ and are run with run_script {"path": "${name}/scripts/NAME.py"}.
3. Long material goes into references/ and is read with load_skill {"name": "${name}", "file": "references/NAME.md"}.
`
  await writeFile(join(folder, 'SKILL.md'), text, { flag: 'wx' }).catch((cause) => {
    throw new RuntimeError('conflict', `${folder} has a SKILL.md already`, undefined, { cause })
  })
  out.value({ name, folder }, () =>
    out.line(`${folder}/SKILL.md is there. Install it with: keel skill install ./${name}`),
  )
}

/** Makes a catalog of a folder of skills, which any web server can offer. */
export async function buildSkillCatalog(
  { out }: CliSession,
  source: string,
  target: string,
  { catalogVersion = '1', key }: { catalogVersion?: string; key?: string },
): Promise<void> {
  const built = await buildCatalog(resolve(source), resolve(target), { version: catalogVersion, keyFile: key })
  out.value(built, ({ skills, signed }) => {
    for (const { path, sha256 } of skills) out.line(`${path} ${out.style('dim', sha256)}`)
    out.line(`${resolve(target)}/catalog.json lists ${skills.length} skills${signed ? ' and is signed' : ''}.`)
  })
}
