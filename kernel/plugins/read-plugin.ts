import { createHash } from 'node:crypto'
import { lstat, opendir } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { isForeignFolder, readPlain, readPlainInside, unusualKind } from '#kernel/guests/plain-file.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { maxManifestBytes, type PluginManifest, parseManifest } from '#sdk/plugin-manifest.ts'
import { type GuestModules, maxModuleChars, maxModules } from '#sdk/services/sandbox.ts'
import { stripTypes } from './strip-types.ts'

const maxFiles = 5_000
const maxDepth = 8
const maxCodeBytes = 4 * 1_048_576
const maxScriptBytes = 1_048_576
const maxSkillBytes = 1_048_576
const moduleTypes = new Set(['.ts', '.mts', '.js', '.mjs', '.json'])
/** Beside the code in a folder, and no part of what runs. */
const notCode =
  /(?:\.(?:test|spec)\.[cm]?[jt]s|\.d\.ts|^vitest\.config\.[cm]?[jt]s|^package(?:-lock)?\.json|^tsconfig(?:\..+)?\.json)$/

/** A plugin as it lies on disk, its code ready to run. */
export interface PluginSource {
  /** Absolute. */
  root: string
  manifest: PluginManifest
  warnings: string[]
  /** Of everything that decides what it does, lower-case hex. */
  digest: string
  /** null where it has script tools alone. */
  code: GuestModules | null
  /** Digests of its scripts by their path. */
  scripts: ReadonlyMap<string, string>
  /** The skills that it brings along, by their path. */
  skills: ReadonlyMap<string, Buffer>
}

/**
 * Throws `invalid` with a sentence for the plugin's author. Where it runs, a plugin's folder has its name; where it is
 * written or unpacked, it may have another.
 */
export async function readPlugin(root: string, { anyFolder = false } = {}): Promise<PluginSource> {
  const stats = await lstat(root).catch(() => undefined)
  if (!stats?.isDirectory()) throw new RuntimeError('invalid', `${basename(root)} is no folder`)
  const { manifest, warnings } = parseManifest(
    (await readPlain(join(root, 'plugin.toml'), maxManifestBytes)).toString(),
  )
  if (!anyFolder && manifest.name !== basename(root))
    throw new RuntimeError(
      'invalid',
      `plugin.toml: name: "${manifest.name}" is not what its folder is called, "${basename(root)}"`,
    )
  const sources = await readSources(root, manifest)
  const scripts = new Map<string, string>()
  for (const { script } of manifest.tools) {
    if (script !== undefined) scripts.set(script, sha256(await readNamed(root, 'tools', script, maxScriptBytes)))
  }
  const skills = new Map<string, Buffer>()
  for (const path of manifest.companion_skills)
    skills.set(path, await readNamed(root, 'companion_skills', path, maxSkillBytes))
  const code = await codeOf(manifest, sources)
  const skillDigests = Array.from(skills, ([path, bytes]) => [path, sha256(bytes)])
  const digest = sha256(JSON.stringify([manifest, [...sources], [...scripts], skillDigests]))
  return { root, manifest, warnings, digest, code, scripts, skills }
}

/** A file that the manifest names; errors name the key under which it does. */
async function readNamed(root: string, key: string, path: string, maxBytes: number): Promise<Buffer> {
  try {
    return await readPlainInside(root, path, maxBytes)
  } catch (thrown) {
    throw new RuntimeError('invalid', `plugin.toml: ${key}: ${reasonOf(thrown)}`, undefined, { cause: thrown })
  }
}

async function codeOf(manifest: PluginManifest, sources: ReadonlyMap<string, string>): Promise<GuestModules | null> {
  if (manifest.tools.length > 0 && manifest.tools.every(({ script }) => script !== undefined)) return null
  const entry = manifest.main ?? ['plugin.ts', 'plugin.js', 'plugin.mjs'].find((path) => sources.has(path))
  if (entry === undefined || !sources.has(entry))
    throw new RuntimeError('invalid', `${manifest.main ?? 'plugin.ts or plugin.js'} is not there`)
  const modules: [string, string][] = []
  for (const [path, source] of sources) modules.push([path, await asJavaScript(path, source)])
  return { entry, modules: Object.fromEntries(modules) }
}

async function asJavaScript(path: string, source: string): Promise<string> {
  const type = extname(path)
  const code = type === '.ts' || type === '.mts' ? await stripTypes(path, source) : source
  if (code.length > maxModuleChars)
    throw new RuntimeError('invalid', `${path} is longer than ${maxModuleChars} characters`)
  return code
}

/** Its own modules: what others put there, tests and what is served to browsers left out. */
async function readSources(root: string, manifest: PluginManifest): Promise<Map<string, string>> {
  const sources: [string, string][] = []
  const folders = [{ path: '', depth: 0 }]
  let seen = 0
  let bytes = 0
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    for await (const entry of await opendir(join(root, folder.path))) {
      const path = folder.path === '' ? entry.name : `${folder.path}/${entry.name}`
      if (++seen > maxFiles) throw new RuntimeError('invalid', `it has more than ${maxFiles} files`)
      if (entry.isDirectory()) {
        if (isForeignFolder(entry.name) || path === manifest.web?.root || path === 'test') continue
        if (folder.depth >= maxDepth)
          throw new RuntimeError('invalid', `${path}: folders are nested deeper than ${maxDepth}`)
        folders.push({ path, depth: folder.depth + 1 })
        continue
      }
      if (!moduleTypes.has(extname(entry.name)) || notCode.test(entry.name)) continue
      const unusual = unusualKind(await lstat(join(root, path)))
      if (unusual) throw new RuntimeError('invalid', `${path} is ${unusual}`)
      const text = await readPlain(join(root, path), maxModuleChars)
      bytes += text.length
      if (bytes > maxCodeBytes) throw new RuntimeError('invalid', `its code has more than ${maxCodeBytes} bytes`)
      if (sources.length >= maxModules) throw new RuntimeError('invalid', `it has more than ${maxModules} modules`)
      sources.push([path, text.toString('utf8')])
    }
  }
  return new Map(sources.sort(([left], [right]) => (left < right ? -1 : 1)))
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
