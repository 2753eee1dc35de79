import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
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
} from '#sdk/skill.ts'
import type { SkillFile, SkillSource } from './skill.ts'

/** The most that one skill may consist of. */
const maxFiles = 10_000
const maxDepth = 12
const maxTotalBytes = 256 * 1024 * 1024
const hashChunkBytes = 256 * 1024

/** Digests of files by what the system tells of them, so that a skill of thousands of files is read once. */
const known = new Map<string, { mark: string; sha256: string }>()
const maxKnown = 50_000

/**
 * Reads what is at `root`: a folder with a SKILL.md, a Markdown file or a TOML file. Throws `invalid` with a sentence for the
 * skill's author where it can not be one.
 */
export async function readSkill(root: string): Promise<SkillSource> {
  const stats = await lstat(root).catch(() => undefined)
  if (!stats) throw new RuntimeError('not_found', `there is nothing at ${basename(root)}`)
  return stats.isDirectory() ? readFolder(root) : readSingleFile(root, stats)
}

/** Whether an entry of the skills folder may be a skill at all. */
export function mayBeSkill(name: string): boolean {
  if (name.startsWith('.')) return false
  return !isForeignFolder(name) && (extname(name) === '' || /\.(?:md|toml)$/i.test(name) || !name.includes('.'))
}

async function readFolder(root: string): Promise<SkillSource> {
  const findings: Finding[] = []
  const files = await listFiles(root, findings)
  const main = ['SKILL.md', 'skill.md', 'Skill.md'].find((name) => files.some(({ path }) => path === name))
  const toml = files.filter(({ path }) => /^[^/]+\.toml$/.test(path))
  const source = main ?? (toml.length === 1 ? toml[0]?.path : undefined)
  if (source === undefined) throw new RuntimeError('invalid', `the folder ${basename(root)} has no SKILL.md`)
  if (source !== 'SKILL.md' && main) findings.push({ code: 'file_name', message: 'The file must be called SKILL.md.' })
  const text = await readText(join(root, source))
  const skill = textOf(text, source, basename(root))
  return {
    ...skill,
    findings: [...findings, ...skill.findings],
    root,
    source_path: join(root, source),
    files,
    hash: digestOf(files),
  }
}

async function readSingleFile(path: string, stats: Stats): Promise<SkillSource> {
  refuseUnusual(basename(path), stats)
  const text = await readText(path)
  const sha256 = createHash('sha256').update(text).digest('hex')
  const skill = textOf(text, basename(path), basename(path, extname(path)))
  const files = [{ path: basename(path), bytes: stats.size, sha256 }]
  return { ...skill, root: path, source_path: path, files, hash: sha256 }
}

function textOf(text: string, file: string, expectedName: string): SkillText {
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

/** Of its files' names and contents, whatever the order in which the system lists them. */
function digestOf(files: readonly SkillFile[]): string {
  const hash = createHash('sha256')
  for (const { path, sha256 } of files) hash.update(`${path}\0${sha256}\n`)
  return hash.digest('hex')
}

async function listFiles(root: string, findings: Finding[]): Promise<SkillFile[]> {
  const files: SkillFile[] = []
  const folders = [{ path: '', depth: 0 }]
  let bytes = 0
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    for await (const entry of await opendir(join(root, folder.path))) {
      const path = folder.path === '' ? entry.name : `${folder.path}/${entry.name}`
      if (entry.isDirectory()) {
        if (isForeignFolder(entry.name)) continue
        if (folder.depth >= maxDepth)
          throw new RuntimeError('invalid', `${path}: folders are nested deeper than ${maxDepth}`)
        folders.push({ path, depth: folder.depth + 1 })
        continue
      }
      const stats = await lstat(join(root, path))
      const unusual = unusualKind(stats)
      if (unusual) {
        findings.push({ code: 'unusual_file', message: `${path} is ${unusual} and is not read.` })
        continue
      }
      bytes += stats.size
      if (files.length >= maxFiles) throw new RuntimeError('invalid', `it has more than ${maxFiles} files`)
      if (bytes > maxTotalBytes)
        throw new RuntimeError('invalid', `its files are larger than ${maxTotalBytes} bytes together`)
      files.push({ path, bytes: stats.size, sha256: await digestOfFile(join(root, path), stats) })
    }
  }
  return files.sort((left, right) => (left.path < right.path ? -1 : 1))
}

async function digestOfFile(path: string, stats: Stats): Promise<string> {
  const mark = `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`
  const cached = known.get(path)
  if (cached?.mark === mark) return cached.sha256
  const hash = createHash('sha256')
  await using handle = await openPlain(path)
  for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: hashChunkBytes }))
    hash.update(chunk)
  const sha256 = hash.digest('hex')
  if (known.size >= maxKnown) known.clear()
  known.set(path, { mark, sha256 })
  return sha256
}

/** The text of a file of a skill, at most 1 MiB. */
export async function readText(path: string): Promise<string> {
  return (await readPlain(path, maxSkillFileBytes)).toString('utf8')
}
