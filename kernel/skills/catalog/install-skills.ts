import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unpack } from '#kernel/archive/unpack.ts'
import { expectSkill } from '#kernel/store/skills.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { skillNamePattern } from '#sdk/skill.ts'
import { readSkill } from '../read-skill.ts'
import type { Skills } from '../registry.ts'
import type { OfferedSkill } from './catalog.ts'

/** Keel reads no folder whose name begins with a dot. */
const stagingName = '.staging'
const oldPrefix = 'old-'

interface Staged {
  skill: OfferedSkill
  /** Where it is now, and where it belongs. */
  from: string
  to: string
}

/** Downloads, checks and puts in place all of them, or none. What is new starts disabled. */
export async function installSkills(
  wanted: readonly OfferedSkill[],
  { skills, store }: { skills: Skills; store: Pick<Store, 'write'> },
): Promise<void> {
  const staging = join(skills.dir, stagingName, newId())
  await mkdir(staging, { recursive: true, mode: 0o700 })
  try {
    const staged: Staged[] = []
    for (const skill of wanted) staged.push(await stage(skill, staging, skills.dir))
    for (const { skill, to } of staged)
      expectSkill(store.write, { name: skill.name, source_path: to, registry_source: skill.registry })
    await putInPlace(staged, staging)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Puts back what an install that was cut off had moved aside, and removes the rest of it. */
export async function cleanStaging(skillsDir: string): Promise<void> {
  const folder = join(skillsDir, stagingName)
  if (!existsSync(folder)) return
  for (const run of await readdir(folder)) {
    for (const name of await readdir(join(folder, run)).catch(() => [])) {
      const target = join(skillsDir, name.slice(oldPrefix.length))
      if (name.startsWith(oldPrefix) && !existsSync(target)) await rename(join(folder, run, name), target)
    }
  }
  await rm(folder, { recursive: true, force: true })
}

async function stage(skill: OfferedSkill, staging: string, skillsDir: string): Promise<Staged> {
  const { name, filename, path, sha256, source } = skill
  if (
    !skillNamePattern.test(name) ||
    /[/\\]|\.\./.test(filename) ||
    filename.startsWith('.') ||
    path.split('/').includes('..')
  )
    throw new RuntimeError('invalid', `invalid filename rejected: ${filename}`)
  const isArchive = /\.zip$/i.test(filename)
  if (!isArchive && !/\.md$/i.test(filename))
    throw new RuntimeError('invalid', `invalid filename rejected: ${filename}`)
  const bytes = await source.file(path)
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new RuntimeError('invalid', `checksum mismatch for ${filename}`)
  const place = isArchive ? name : `${name}.md`
  const from = join(staging, place)
  if (isArchive) {
    const archive = join(staging, `${name}.zip`)
    await writeFile(archive, bytes)
    await mkdir(from)
    await unpack(archive, from)
    await rm(archive)
  } else await writeFile(from, bytes)
  const read = await readSkill(from)
  if (read.name !== name) throw new RuntimeError('invalid', `${filename} holds the skill ${read.name}, not ${name}`)
  return { skill, from, to: join(skillsDir, place) }
}

async function putInPlace(staged: readonly Staged[], staging: string): Promise<void> {
  const undo: (() => Promise<void>)[] = []
  try {
    for (const { from, to } of staged) {
      if (existsSync(to)) {
        const old = join(staging, `${oldPrefix}${to.slice(to.lastIndexOf('/') + 1)}`)
        await rename(to, old)
        undo.push(() => rename(old, to))
      }
      await rename(from, to)
      undo.push(() => rm(to, { recursive: true, force: true }))
    }
  } catch (thrown) {
    for (const step of undo.reverse()) await step()
    throw thrown
  }
}
