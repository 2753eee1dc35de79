import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { basename, dirname, extname, join, posix } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { isForeignFolder, openPlain, readPlain, refuseUnusual, unusualKind } from '#kernel/guests/plain-file.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import {
  type Finding,
  fromFields,
  maxSkillFileBytes,
  plainTable,
  readSkillText,
  type SkillText,
  slug,
  unfinishedReason,
} from '#sdk/skill.ts'
import type { SkillFile, SkillSource } from './skill.ts'

/** The most that one skill may consist of. */
const maxFiles = 10_000
const maxDepth = 12
/** Of those that concern single files. */
const maxFindings = 50
const maxTotalBytes = 256 * 1024 * 1024
const hashChunkBytes = 256 * 1024
const readAtOnce = 16

/** Digests of files by what the system tells of them, so that a skill of thousands of files is read once. */
const known = new Map<string, { mark: string; sha256: string }>()
const maxKnown = 50_000
/** Two changes within the clock of a file system look like one: what is younger is not remembered, in milliseconds. */
const youngMs = 2_000
/** Folders of other programs that no script of a skill reads its code from. */
const harmlessFolders = new Set(['.git', '__pycache__'])

/**
 * Reads what is at `root`: a folder with a SKILL.md, a Markdown file or a TOML file. Throws `invalid` with a sentence for the
 * skill's author where it can not be one.
 */
export async function readSkill(root: string): Promise<SkillSource> {
  const stats = await lstat(root).catch(() => undefined)
  if (!stats) throw new RuntimeError('not_found', `there is nothing at ${basename(root)}`)
  return stats.isDirectory() ? readFolder(root) : readSingleFile(root, stats)
}

async function readFolder(root: string): Promise<SkillSource> {
  const { files, findings, uncovered } = await listFiles(root)
  const main = ['SKILL.md', 'skill.md', 'Skill.md'].find((name) => files.some(({ path }) => path === name))
  const toml = files.filter(({ path }) => /^[^/]+\.toml$/.test(path))
  const source = main ?? (toml.length === 1 ? toml[0]?.path : undefined)
  if (source === undefined) throw new RuntimeError('invalid', `the folder ${basename(root)} has no SKILL.md`)
  if (source !== 'SKILL.md' && main) findings.push({ code: 'file_name', message: 'The file must be called SKILL.md.' })
  const skill = textOf(await readText(join(root, source)), source, basename(root))
  const script_path = scriptOf(skill)
  if (script_path !== null && !files.some(({ path }) => path === script_path)) throw noScript(script_path)
  const source_path = join(root, source)
  findings.push(...skill.findings)
  return {
    ...skill,
    script_path,
    findings,
    root,
    base: root,
    source_path,
    files,
    uncovered,
    hash: digestOf(files, uncovered),
  }
}

/** A file of its own, with the script that it names beside it. */
async function readSingleFile(path: string, stats: Stats): Promise<SkillSource> {
  refuseUnusual(basename(path), stats)
  const text = await readText(path)
  const skill = textOf(text, basename(path), basename(path, extname(path)))
  if (skill.findings.some(({ code }) => code === 'no_front_matter'))
    throw new RuntimeError('invalid', `${basename(path)}: ${unfinishedReason(skill)}`)
  const base = dirname(path)
  const sha256 = createHash('sha256').update(text).digest('hex')
  const files = [{ path: basename(path), bytes: stats.size, sha256 }]
  const script_path = scriptOf(skill)
  if (script_path !== null) {
    const script = join(base, script_path)
    const found = await lstat(script).catch(() => undefined)
    if (!found || unusualKind(found)) throw noScript(script_path)
    files.push({ path: script_path, bytes: found.size, sha256: await digestOfFile(script, found) })
  }
  const hash = files.length === 1 ? sha256 : digestOf(files, [])
  return { ...skill, script_path, root: path, base, source_path: path, files, uncovered: [], hash }
}

/** From the skill's folder on, with nothing to resolve in it. */
function scriptOf({ script_path }: SkillText): string | null {
  if (script_path === null) return null
  const path = posix.normalize(script_path.replaceAll('\\', '/'))
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new RuntimeError('invalid', `script_path: ${script_path} leads out of the skill's folder`)
  return path
}

function noScript(path: string): RuntimeError {
  return new RuntimeError('invalid', `script_path: ${path} is no ordinary file of the skill`)
}

function textOf(text: string, file: string, expectedName: string): SkillText {
  if (text.trim() === '') throw new RuntimeError('invalid', `${file} is empty`)
  if (extname(file).toLowerCase() !== '.toml') return readSkillText(text, expectedName)
  let fields: Record<string, unknown>
  try {
    fields = plainTable(parseToml(text))
  } catch (thrown) {
    throw new RuntimeError('invalid', `${file} is not valid TOML: ${reasonOf(thrown).split('\n', 1)[0]}`)
  }
  for (const name of ['name', 'description', 'kind', 'triggers'])
    if (fields[name] === undefined) throw new RuntimeError('invalid', `${file}: ${name} is missing`)
  const kind = String(fields.kind).toLowerCase()
  if (kind !== 'structured' && kind !== 'instruction')
    throw new RuntimeError('invalid', `${file}: kind: expected "Structured" or "Instruction"`)
  const body = typeof fields.body === 'string' ? fields.body : String(fields.description)
  return fromFields(fields, { body, expectedName: slug(String(fields.name)) || expectedName, kind, findings: [] })
}

/** Of its files' names and contents, and of the mere names of what is left out, in order. */
function digestOf(files: readonly SkillFile[], uncovered: readonly string[]): string {
  const hash = createHash('sha256')
  for (const { path, sha256 } of files) hash.update(`${path}\0${sha256}\n`)
  for (const path of uncovered) hash.update(`${path}\0left out\n`)
  return hash.digest('hex')
}

async function listFiles(root: string): Promise<Pick<SkillSource, 'files' | 'findings' | 'uncovered'>> {
  const found: { path: string; stats: Stats }[] = []
  const findings: Finding[] = []
  const uncovered: string[] = []
  const folders = [{ path: '', depth: 0 }]
  let bytes = 0
  const leaveOut = (path: string, code: string, message: string) => {
    if (findings.length < maxFindings) findings.push({ code, message })
    if (uncovered.length < maxFindings) uncovered.push(path)
  }
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    for await (const entry of await opendir(join(root, folder.path))) {
      const path = folder.path === '' ? entry.name : `${folder.path}/${entry.name}`
      if (entry.isDirectory()) {
        if (harmlessFolders.has(entry.name)) continue
        if (isForeignFolder(entry.name)) {
          leaveOut(path, 'foreign_folder', `${path} is no part of the skill: nothing in it is read.`)
          continue
        }
        if (folder.depth >= maxDepth)
          throw new RuntimeError('invalid', `${path}: folders are nested deeper than ${maxDepth}`)
        folders.push({ path, depth: folder.depth + 1 })
        continue
      }
      const stats = await lstat(join(root, path))
      const unusual = unusualKind(stats)
      if (unusual) {
        leaveOut(path, 'unusual_file', `${path} is ${unusual} and is not read.`)
        continue
      }
      bytes += stats.size
      if (found.length >= maxFiles) throw new RuntimeError('invalid', `it has more than ${maxFiles} files`)
      if (bytes > maxTotalBytes)
        throw new RuntimeError('invalid', `its files are larger than ${maxTotalBytes} bytes together`)
      found.push({ path, stats })
    }
  }
  found.sort((left, right) => (left.path < right.path ? -1 : 1))
  const files: SkillFile[] = []
  for (let start = 0; start < found.length; start += readAtOnce) {
    const part = found.slice(start, start + readAtOnce).map(async ({ path, stats }) => {
      return { path, bytes: stats.size, sha256: await digestOfFile(join(root, path), stats) }
    })
    files.push(...(await Promise.all(part)))
  }
  return { files, findings, uncovered: uncovered.sort() }
}

async function digestOfFile(path: string, stats: Stats): Promise<string> {
  const mark = `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`
  const cached = known.get(path)
  if (cached?.mark === mark) return cached.sha256
  const hash = createHash('sha256')
  if (stats.size <= hashChunkBytes) hash.update(await readPlain(path, hashChunkBytes))
  else {
    await using handle = await openPlain(path)
    for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: hashChunkBytes }))
      hash.update(chunk)
  }
  const sha256 = hash.digest('hex')
  if (known.size >= maxKnown) known.clear()
  if (Date.now() - stats.ctimeMs > youngMs) known.set(path, { mark, sha256 })
  return sha256
}

/** The text of a file of a skill, at most 1 MiB. */
export async function readText(path: string): Promise<string> {
  return (await readPlain(path, maxSkillFileBytes)).toString('utf8')
}
