import { existsSync } from 'node:fs'
import { opendir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { isForeignFolder, readPlain } from '#kernel/guests/plain-file.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { readPlugin } from './read-plugin.ts'

const maxFileBytes = 32 * 1_048_576
const maxFiles = 2_000
const maxTotalBytes = 128 * 1_048_576
/** What an author has in the folder and its users do not need. */
const leftOut =
  /(?:^|\/)(?:package(?:-lock)?\.json|tsconfig(?:\..+)?\.json|vitest\.config\.[cm]?[jt]s|Thumbs\.db|[^/]*\.(?:test|spec)\.[cm]?[jt]s|[^/]*\.keel\.zip)$/
const sdkName = '@keel/sdk'

/** What a plugin consists of for its users, by path: its npm packages are bundled into its one module. */
export async function collectPlugin(
  root: string,
): Promise<{ name: string; version: string; files: Map<string, Buffer> }> {
  const { manifest, code } = await readPlugin(root, { anyFolder: true })
  const files = await readFiles(root)
  const entry = code?.entry
  if (entry !== undefined && (await hasPackages(root))) {
    if (manifest.main !== undefined && extname(manifest.main) !== '.js')
      throw new RuntimeError('invalid', 'plugin.toml: main: leave it out, since the packed plugin has plugin.js')
    for (const path of Object.keys(code?.modules ?? {})) files.delete(path)
    files.set(manifest.main ?? 'plugin.js', Buffer.from(await bundle(root, entry)))
  }
  return { name: manifest.name, version: manifest.version, files }
}

async function hasPackages(root: string): Promise<boolean> {
  const path = join(root, 'package.json')
  if (!existsSync(path)) return false
  const { dependencies = {} } = JSON.parse(await readFile(path, 'utf8')) as { dependencies?: Record<string, string> }
  return Object.keys(dependencies).some((name) => name !== sdkName)
}

/** One module of everything that the entry imports, `@keel/sdk` aside, which Keel puts in. */
async function bundle(root: string, entry: string): Promise<string> {
  const { rolldown } = await import('rolldown')
  try {
    const bundled = await rolldown({
      input: join(root, entry),
      cwd: root,
      external: [sdkName],
      platform: 'neutral',
      resolve: { mainFields: ['module', 'main'], conditionNames: ['import', 'default'] },
      logLevel: 'silent',
      plugins: [
        {
          name: 'inside',
          load(path) {
            const way = relative(root, path)
            if (way.startsWith(`..${sep}`)) throw new Error(`${way} is outside the plugin's folder`)
            return null
          },
        },
      ],
    })
    const { output } = await bundled.generate({ format: 'es', codeSplitting: false })
    await bundled.close()
    return output[0].code
  } catch (thrown) {
    throw new RuntimeError('invalid', `it can not be bundled: ${bundlingError(thrown)}`, undefined, { cause: thrown })
  }
}

/** What is wrong, and where, out of the picture that the bundler draws of it. */
function bundlingError(thrown: unknown): string {
  const { errors } = thrown as { errors?: readonly unknown[] }
  const text = stripVTControlCharacters(reasonOf(errors?.[0] ?? thrown))
  const place = /\[ (\S+:\d+:\d+) \]/.exec(text)?.[1]
  const [sentence = ''] = text.replace(/^\[[A-Z_]+\] /, '').split('\n', 1)
  return place === undefined ? sentence : `${sentence} (${place})`
}

async function readFiles(root: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const folders = ['']
  let total = 0
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of await opendir(join(root, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (isForeignFolder(entry.name) || leftOut.test(path)) continue
      if (entry.isDirectory()) folders.push(path)
      else {
        if (files.size >= maxFiles) throw new RuntimeError('too_large', `it has more than ${maxFiles} files`)
        const bytes = await readPlain(join(root, path), maxFileBytes)
        total += bytes.length
        if (total > maxTotalBytes) throw new RuntimeError('too_large', `it has more than ${maxTotalBytes} bytes`)
        files.set(path, bytes)
      }
    }
  }
  return files
}
