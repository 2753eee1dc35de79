import { existsSync } from 'node:fs'
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { unpack } from '#kernel/archive/unpack.ts'
import { readPlain } from '#kernel/guests/plain-file.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { maxManifestBytes, parseManifest } from '#sdk/plugin-manifest.ts'
import { collectPlugin } from './collect.ts'
import { type PluginSource, readPlugin } from './read-plugin.ts'

/** A plugin that is whole and waits to be put in place. */
export interface StagedPlugin {
  plugin: PluginSource
  /** Puts it in place; the version that was there goes to the trash folder. Nothing is changed where it fails. */
  commit(): Promise<void>
  discard(): Promise<void>
}

/** Takes a folder or a packed plugin to a place beside those that run, and reads it there. */
export async function stagePlugin(source: string, pluginsDir: string): Promise<StagedPlugin> {
  const from = resolve(source)
  const stats = await stat(from).catch(() => {
    throw new RuntimeError('not_found', `there is nothing at ${source}`)
  })
  // Keel reads no folder whose name begins with a dot.
  const staging = join(pluginsDir, '.staging', newId())
  const discard = () => rm(staging, { recursive: true, force: true })
  try {
    const unpacked = join(staging, 'unpacked')
    await mkdir(unpacked, { recursive: true, mode: 0o700 })
    if (stats.isDirectory()) await writeFiles((await collectPlugin(from)).files, unpacked)
    else await unpack(from, unpacked)
    const { manifest } = parseManifest((await readPlain(join(unpacked, 'plugin.toml'), maxManifestBytes)).toString())
    const root = join(staging, manifest.name)
    await rename(unpacked, root)
    const plugin = await readPlugin(root)
    return { plugin, discard, commit: () => putInPlace(root, join(pluginsDir, manifest.name)).finally(discard) }
  } catch (thrown) {
    await discard()
    throw thrown
  }
}

export async function writeFiles(files: ReadonlyMap<string, Buffer>, folder: string): Promise<void> {
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true, mode: 0o700 })
    await writeFile(join(folder, path), bytes)
  }
}

async function putInPlace(staged: string, target: string): Promise<void> {
  const trash = join(target, '..', '.trash')
  const old = join(trash, `${timestamp().replaceAll(/[:.]/g, '-')}-${basename(target)}`)
  const replaces = existsSync(target)
  if (replaces) {
    await mkdir(trash, { recursive: true, mode: 0o700 })
    await rename(target, old)
  }
  try {
    await rename(staged, target)
  } catch (thrown) {
    if (replaces) await rename(old, target)
    throw thrown
  }
}
