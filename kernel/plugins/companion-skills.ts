import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

const digestLength = 12

/** Puts the skills that a plugin brings along among the others, and takes away those that it does not bring any more. */
export async function placeCompanions(
  plugin: string,
  skills: ReadonlyMap<string, Buffer>,
  skillsDir: string,
): Promise<void> {
  const wanted = new Map(Array.from(skills, ([path, bytes]) => [companionName(plugin, path), bytes]))
  for (const name of await companionsOf(plugin, skillsDir))
    if (!wanted.has(name)) await rm(join(skillsDir, name), { force: true })
  for (const [name, bytes] of wanted) {
    const target = join(skillsDir, name)
    if (existsSync(target) && (await readFile(target)).equals(bytes)) continue
    await mkdir(skillsDir, { recursive: true, mode: 0o700 })
    const draft = join(skillsDir, `.${name}`)
    await writeFile(draft, bytes)
    await rename(draft, target)
  }
}

/** The same file has the same name in every version, so that what was decided about the skill stays. */
function companionName(plugin: string, path: string): string {
  const digest = createHash('sha256').update(path).digest('hex').slice(0, digestLength)
  return `${plugin}--${digest}--${basename(path)}`
}

/** Whether a skill, by its name, is one that this plugin has brought: skills are called as their files. */
export function isCompanionOf(plugin: string, skill: string): boolean {
  return skill.startsWith(`${plugin}-`) && /^[0-9a-f]{12}-/.test(skill.slice(plugin.length + 1))
}

async function companionsOf(plugin: string, skillsDir: string): Promise<string[]> {
  if (!existsSync(skillsDir)) return []
  const names = await readdir(skillsDir)
  return names.filter(
    (name) => name.startsWith(`${plugin}--`) && /^[0-9a-f]{12}--[^/]+\.md$/.test(name.slice(plugin.length + 2)),
  )
}
