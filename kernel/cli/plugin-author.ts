import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { pack } from '../archive/pack.ts'
import { openConfig } from '../config/live-config.ts'
import { watchEntries } from '../guests/watch-entries.ts'
import { openHome } from '../home.ts'
import { collectPlugin } from '../plugins/collect.ts'
import { writeFiles } from '../plugins/install.ts'
import type { CliSession } from './connection.ts'

/** Runs the plugin's tests with Keel's own Node; the exit code is theirs. */
export async function testPlugin({ io }: CliSession, folder: string): Promise<number> {
  const root = resolve(folder)
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  if (!existsSync(vitest)) throw new RuntimeError('not_found', `its packages are missing: run npm install in ${root}`)
  const env = { ...io.env, PATH: `${dirname(process.execPath)}:${io.env.PATH ?? ''}` }
  const child = spawn(process.execPath, [vitest, 'run'], { cwd: root, stdio: 'inherit', env, signal: io.signal })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

/** Packs a plugin into one file that others can install. */
export async function packPlugin({ out }: CliSession, folder: string, target?: string): Promise<void> {
  const root = resolve(folder)
  const { name, version, files } = await collectPlugin(root)
  const archive = resolve(target ?? `${name}-${version}.keel.zip`)
  const sha256 = await pack(files, archive)
  out.value({ name, version, archive, sha256, files: [...files.keys()] }, () => {
    out.line(`${archive}`)
    out.line(`sha256 ${sha256}`)
    for (const [path, bytes] of files) out.line(out.style('dim', `  ${path} (${bytes.length} bytes)`))
  })
}

/** Brings each save of a plugin's folder into the running Keel, and says whether it is live. */
export async function developPlugin(session: CliSession, folder: string): Promise<void> {
  const { client, home, io, out } = session
  openHome(home.root, io.env)
  const { dir } = openConfig(home, io.env).current().plugins
  const root = resolve(folder)
  const { name } = await collectPlugin(root)
  const bring = async () => {
    const startedAt = performance.now()
    try {
      const collected = await collectPlugin(root)
      if (collected.name !== name)
        throw new RuntimeError('invalid', `plugin.toml: name: it was ${name}; start keel plugin dev again`)
      await place(collected.files, join(dir, name), join(dir, '.staging', newId()))
      await client.plugins.reloadPlugins()
      const plugin = await client.plugins.getPlugin({ params: { name } })
      const took = `${Math.round(performance.now() - startedAt)} ms`
      if (plugin.error !== undefined) out.line(out.style('red', `✗ ${plugin.error}`))
      else
        out.line(
          out.style('green', `✓ ${name} ${plugin.version} is ${plugin.status} (${plugin.digest.slice(0, 8)}, ${took})`),
        )
      for (const warning of plugin.warnings) out.line(out.style('yellow', `  ${warning}`))
    } catch (thrown) {
      if (io.signal.aborted) return
      out.line(out.style('red', `✗ ${reasonOf(thrown)}`))
    }
  }
  let work: Promise<void> = Promise.resolve()
  const watch = watchEntries(root, {
    onChange: () => {
      work = work.then(bring)
      return work
    },
    onError: (thrown) => out.note(reasonOf(thrown)),
  })
  // What is saved from here on is seen, also while it is brought in for the first time.
  await watch.ready
  work = work.then(bring)
  await work
  out.line(out.style('dim', `Watching ${root}; stop with Ctrl-C. Its log: keel logs -f --target plugin:${name}`))
  if (!io.signal.aborted) await once(io.signal, 'abort')
  await watch.close()
}

/** All of it at once, so that Keel never reads half a save. */
async function place(files: ReadonlyMap<string, Buffer>, target: string, staging: string): Promise<void> {
  const [fresh, old] = [join(staging, 'new'), join(staging, 'old')]
  try {
    await writeFiles(files, fresh)
    if (existsSync(target)) await rename(target, old)
    await rename(fresh, target)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}
