import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { pluginNamePattern } from '#sdk/plugin-manifest.ts'
import packageJson from '../../package.json' with { type: 'json' }
import type { CliSession } from './connection.ts'

const run = promisify(execFile)
const digestLength = 12
const sdkFolder = fileURLToPath(new URL('../../sdk', import.meta.url))

/** Writes the folder of a new plugin: a tool that works, and its test. */
export async function newPlugin(session: CliSession, name: string, { js = false }: { js?: boolean }): Promise<void> {
  const { out } = session
  if (!pluginNamePattern.test(name))
    throw new RuntimeError(
      'invalid',
      `${JSON.stringify(name)}: a plugin's name has lower-case letters, digits and -, at most 64`,
    )
  const folder = resolve(name)
  if (existsSync(folder) && (await readdir(folder)).length > 0)
    throw new RuntimeError('conflict', `${folder} is not empty`)
  const sdk = await packedSdk(session)
  const files = templates(name, { js, sdk })
  await mkdir(folder, { recursive: true })
  for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text, { flag: 'wx' })
  out.value({ name, folder, files: Object.keys(files) }, () => {
    out.line(`${folder} has a plugin with one tool, and a test of it. Go on with:`)
    out.line(`  cd ${name}`)
    out.line('  npm install')
    out.line('  keel plugin test')
    out.line('  keel plugin install .')
  })
}

/** The SDK as a file that npm can install, made once for each state of Keel. */
async function packedSdk({ home, out }: CliSession): Promise<string> {
  const { isSdkBuilt, sourceDigest } = await import('../../sdk/build.ts')
  const folder = join(home.root, 'sdk')
  const name = `keel-sdk-${packageJson.version}`
  const archive = join(folder, `${name}-${sourceDigest().slice(0, digestLength)}.tgz`)
  if (existsSync(archive)) return archive
  out.note('Building the SDK, once …')
  if (!isSdkBuilt()) {
    // In a process of its own: it takes seconds, and Node warns of how types are taken out.
    const build = ['--disable-warning=ExperimentalWarning', join(sdkFolder, 'build.ts')]
    await run(process.execPath, build).catch((cause) => {
      const message = `the SDK could not be built; it takes the packages that npm ci installs: ${reasonOf(cause)}`
      throw new RuntimeError('unavailable', message, undefined, { cause })
    })
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: sdkFolder })
  await rename(join(folder, `${name}.tgz`), archive)
  return archive
}

function templates(name: string, { js, sdk }: { js: boolean; sdk: string }): Record<string, string> {
  const extension = js ? 'js' : 'ts'
  const toolName = `${name.replaceAll('-', '_')}_greet`
  return {
    'plugin.toml': `name = "${name}"
version = "0.1.0"
description = "What ${name} is for, in a sentence."
author = ""
# What it asks of Keel: "http.fetch" to the hosts below, "kv" to keep values between calls.
permissions = []

# [http]
# hosts = ["api.example.org"]

[settings.greeting]
type = "string"
default = "Hello"
description = "The word to greet with."

[[tools]]
name = "${toolName}"
description = "Greets somebody by name."
risk = "safe"
idempotent = true
`,
    [`plugin.${extension}`]: `import { definePlugin, tool, z } from '@keel/sdk'

export default definePlugin({
  tools: {
    ${toolName}: tool({
      input: z.object({ name: z.string().min(1).max(100) }),
      output: z.object({ text: z.string() }),
      run({ input, settings }) {
        return { text: \`\${settings.greeting}, \${input.name}!\` }
      },
    }),
  },
})
`,
    [`plugin.test.${extension}`]: `import { openPlugin } from '@keel/sdk/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

${js ? 'let plugin' : 'let plugin: Awaited<ReturnType<typeof openPlugin>>'}

beforeAll(async () => {
  plugin = await openPlugin(import.meta.dirname, { settings: { greeting: 'Welcome' } })
})

afterAll(() => plugin.close())

test('greets by name', async () => {
  expect(await plugin.call('${toolName}', { name: 'Ada' })).toEqual({ text: 'Welcome, Ada!' })
})

test('wants a name', async () => {
  await expect(plugin.call('${toolName}', {})).rejects.toThrow('name')
})
`,
    'package.json': `${JSON.stringify(
      {
        name,
        private: true,
        type: 'module',
        scripts: { test: 'keel plugin test' },
        devDependencies: {
          '@keel/sdk': `file:${sdk}`,
          '@types/node': '*',
          typescript: '*',
          vitest: packageJson.devDependencies.vitest,
        },
      },
      null,
      2,
    )}\n`,
    'tsconfig.json': `${JSON.stringify(
      {
        compilerOptions: {
          target: 'esnext',
          module: 'nodenext',
          strict: true,
          noEmit: true,
          allowImportingTsExtensions: true,
          erasableSyntaxOnly: true,
          verbatimModuleSyntax: true,
          skipLibCheck: true,
          types: ['node'],
          ...(js && { allowJs: true, checkJs: true }),
        },
        include: [`*.${extension}`],
      },
      null,
      2,
    )}\n`,
    // They come prebuilt, for a Node that may be another than the author's.
    '.npmrc': '# No package needs its scripts.\nignore-scripts=true\n',
    '.gitignore': 'node_modules/\n*.keel.zip\n',
    'README.md': `# ${name}\n\nA plugin for Keel.\n\n- \`npm install\`, then \`keel plugin test\` runs its tests in Keel's sandbox\n- \`keel plugin dev .\` brings each save into the running Keel\n- \`keel plugin pack .\` makes one file of it, \`keel plugin install .\` installs it\n`,
  }
}
