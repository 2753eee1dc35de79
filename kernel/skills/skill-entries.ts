import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { isForeignFolder } from '#kernel/guests/plain-file.ts'

/*
 * Where skills lie in the skills folder: a folder with a SKILL.md, a single Markdown or TOML file, or such files together
 * in a folder that is none itself.
 */

/** What collections say about themselves: no skills. */
const notes = new Set(
  'readme license licence changelog contributing contributors agents claude security code_of_conduct notice'.split(' '),
)

/** The entries of the skills folder that may be, or hold, skills, in order. */
export async function listEntries(dir: string): Promise<string[]> {
  return (await readdir(dir, { withFileTypes: true }))
    .filter((entry) => (entry.isFile() ? isSkillFile(entry.name) : mayBeSkill(entry.name)))
    .map(({ name }) => name)
    .sort()
}

/** The skills that one of them stands for, as paths from the skills folder on; none where there is nothing any more. */
export async function skillsIn(dir: string, entry: string): Promise<string[]> {
  if (!mayBeSkill(entry)) return []
  const stats = await lstat(join(dir, entry)).catch(() => undefined)
  if (!stats) return []
  // Links and the like are refused by name, so that somebody is told.
  if (!stats.isDirectory()) return stats.isFile() && !isSkillFile(entry) ? [] : [entry]
  const files = (await readdir(join(dir, entry), { withFileTypes: true })).filter(isPlainSkill).map(({ name }) => name)
  const tables = files.filter((name) => extname(name).toLowerCase() === '.toml')
  const isOne = files.some((name) => name.toLowerCase() === 'skill.md') || (tables.length === 1 && files.length === 1)
  return isOne || files.length === 0 ? [entry] : files.map((name) => `${entry}/${name}`).sort()
}

function isPlainSkill(entry: Dirent): boolean {
  return entry.isFile() && isSkillFile(entry.name)
}

function mayBeSkill(name: string): boolean {
  return !name.startsWith('.') && !isForeignFolder(name)
}

function isSkillFile(name: string): boolean {
  const [, stem] = /^([^.].*)\.(?:md|toml)$/i.exec(name) ?? []
  return stem !== undefined && !notes.has(stem.toLowerCase())
}
