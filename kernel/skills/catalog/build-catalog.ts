import { createPrivateKey, sign } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pack } from '#kernel/archive/pack.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { signedText } from '#sdk/skill-catalog.ts'
import { readSkill } from '../read-skill.ts'
import { listEntries } from '../skill-entries.ts'

/** Packs the skills of a folder and writes the manifest beside them, so that any web server can offer them. */
export async function buildCatalog(
  source: string,
  target: string,
  { version, keyFile }: { version: string; keyFile?: string | undefined },
): Promise<{ skills: { name: string; path: string; sha256: string }[]; signed: boolean }> {
  await mkdir(join(target, 'skills'), { recursive: true })
  const skills = []
  for (const entry of await listEntries(source)) {
    const skill = await readSkill(join(source, entry))
    if (skill.files.every(({ path }) => path !== 'SKILL.md')) continue
    const files = new Map<string, Buffer>()
    for (const { path } of skill.files) files.set(path, await readFile(join(skill.root, path)))
    const path = `skills/${skill.name}-${skill.version}.zip`
    const sha256 = await pack(files, join(target, path))
    const { name, version: own, description, author } = skill
    skills.push({ name, version: own, description, author, path, sha256 })
  }
  if (skills.length === 0) throw new RuntimeError('invalid', `${source} has no skills`)
  const manifest = { version, skills }
  const key = keyFile === undefined ? undefined : createPrivateKey(await readFile(keyFile))
  const signature = key && sign(null, Buffer.from(signedText(manifest)), key).toString('base64')
  const signed = { ...manifest, ...(signature !== undefined && { signature }) }
  await writeFile(join(target, 'catalog.json'), `${JSON.stringify(signed, null, 2)}\n`)
  return { skills, signed: signature !== undefined }
}
