import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expectSkill, findSkillRow, type SkillRow, unexpectSkill } from '#kernel/store/skills.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { skillNamePattern } from '#sdk/skill.ts'
import { readSkill } from '../read-skill.ts'
import type { SkillReload, Skills } from '../registry.ts'
import type { Skill } from '../skill.ts'
import { discard } from '../trash.ts'
import { unpackSkill } from '../unpack-skill.ts'
import type { OfferedSkill } from './catalog.ts'

/** Keel reads no folder whose name begins with a dot. */
const stagingName = '.staging'
const oldPrefix = 'old-'

interface Staged {
  skill: OfferedSkill
  /** Where it is now, and where it belongs. */
  from: string
  to: string
  /** What has its name so far, if it lies elsewhere. */
  replaces: string | undefined
}

interface InstallDeps {
  skills: Skills
  store: Pick<Store, 'write'>
}

/** Downloads, checks, puts in place and takes up all of them, or none. What is replaced goes to the trash folder. */
export async function installSkills(
  wanted: readonly OfferedSkill[],
  { skills, store }: InstallDeps,
): Promise<SkillReload> {
  const staging = join(skills.dir, stagingName, newId())
  await mkdir(staging, { recursive: true, mode: 0o700 })
  try {
    const staged: Staged[] = []
    for (const skill of wanted) staged.push(await stage(skill, staging, skills))
    const before = staged.map(({ skill: { name } }) => ({ name, row: findSkillRow(store.write, name) }))
    for (const { skill, to } of staged) {
      const { name, registry } = skill
      const isLive = skills.find(name) !== undefined
      expectSkill(store.write, { name, source_path: to, registry_source: registry, isLive })
    }
    const { replaced, undo } = await putInPlace(staged, staging).catch((thrown) => {
      takeBack(before, { skills, store })
      throw thrown
    })
    const reload = await skills.reload()
    const failed = staged.find(({ skill, to }) => !isTaken(skills.find(skill.name), to))
    if (failed) {
      await undo()
      takeBack(before, { skills, store })
      await skills.reload()
      const { filename, name } = failed.skill
      const why = reload.issues.find((issue) => issue.includes(`'${name}`)) ?? 'it could not be taken up'
      throw new RuntimeError('invalid', `${filename} is not installed: ${why}`)
    }
    for (const { name } of before) skills.refresh(name)
    for (const path of replaced) await discard(path, { dir: skills.dir, name: basename(path).slice(oldPrefix.length) })
    return reload
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

function isTaken(skill: Skill | undefined, root: string): boolean {
  return skill !== undefined && skill.root === root && skill.error === null
}

function takeBack(
  before: readonly { name: string; row: SkillRow | undefined }[],
  { skills, store }: InstallDeps,
): void {
  for (const { name, row } of before) {
    unexpectSkill(store.write, name, row)
    skills.refresh(name)
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

async function stage(skill: OfferedSkill, staging: string, skills: Skills): Promise<Staged> {
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
    await unpackSkill(archive, from)
    await rm(archive)
  } else await writeFile(from, bytes)
  const read = await readSkill(from)
  if (read.name !== name) throw new RuntimeError('invalid', `${filename} holds the skill ${read.name}, not ${name}`)
  const refused = skills.whyNotTaken(read)
  if (refused !== undefined) throw new RuntimeError('invalid', `${filename}: ${refused}`)
  const to = join(skills.dir, place)
  const root = skills.find(name)?.root
  return { skill, from, to, replaces: root === to ? undefined : root }
}

async function putInPlace(
  staged: readonly Staged[],
  staging: string,
): Promise<{ replaced: string[]; undo: () => Promise<void> }> {
  const steps: (() => Promise<void>)[] = []
  const replaced: string[] = []
  const undo = async () => {
    for (const step of steps.reverse()) await step()
  }
  try {
    for (const { from, to, replaces } of staged) {
      for (const path of [to, replaces]) {
        if (path === undefined || !existsSync(path)) continue
        const old = join(staging, `${oldPrefix}${basename(path)}`)
        await rename(path, old)
        replaced.push(old)
        steps.push(() => rename(old, path))
      }
      await rename(from, to)
      steps.push(() => rm(to, { recursive: true, force: true }))
    }
    return { replaced, undo }
  } catch (thrown) {
    await undo()
    throw thrown
  }
}
