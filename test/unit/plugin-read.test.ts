import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { collectPlugin } from '#kernel/plugins/collect.ts'
import { readPlugin } from '#kernel/plugins/read-plugin.ts'
import { manifestOf, moduleOf, sayingPlugin, writePlugin } from '../support/plugin-folder.ts'

function scene(files: Record<string, string> = sayingPlugin('a', 'say', 'hello'), name = 'a') {
  const folder = mkdtempSync(join(tmpdir(), 'keel-read-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'outside.js'), 'export const secret = 1')
  return { folder, root: writePlugin(folder, name, files) }
}

test('its own modules are what runs, without types; tests, pages and packages are not', async () => {
  const { root } = scene({
    'plugin.toml': manifestOf('a', { say: '' }, '[web]\nroot = "site"'),
    'plugin.ts': 'import { word } from "./lib/word.ts"\nexport default word as string',
    'lib/word.ts': 'export const word: string = "hello"',
    'data.json': '{}',
    'plugin.test.ts': 'nothing',
    'types.d.ts': 'nothing',
    'package.json': '{}',
    'site/page.js': 'nothing',
    'test/helper.js': 'nothing',
    'node_modules/x/index.js': 'nothing',
    '.git/hook.js': 'nothing',
    'README.md': 'nothing',
  })
  const { code } = await readPlugin(root)
  expect(Object.keys(code?.modules ?? {}).sort()).toEqual(['data.json', 'lib/word.ts', 'plugin.ts'])
  expect(code?.entry).toBe('plugin.ts')
  expect(code?.modules['lib/word.ts']).not.toContain(': string')
})

test('its digest changes with all that decides what it does, and with nothing else', async () => {
  const files = {
    'plugin.toml': manifestOf('a', { say: '', run: 'script = "bin/run.sh"' }, 'companion_skills = ["s.md"]'),
    'plugin.js': moduleOf({ say: 'return 1' }),
    'bin/run.sh': 'echo 1',
    's.md': 'one',
    'README.md': 'one',
  }
  const digestWith = async (change: Record<string, string>) =>
    (await readPlugin(scene({ ...files, ...change }).root)).digest
  const before = await digestWith({})
  expect(await digestWith({ 'README.md': 'two' })).toBe(before)
  const changed = await Promise.all([
    digestWith({ 'plugin.js': moduleOf({ say: 'return 2' }) }),
    digestWith({ 'bin/run.sh': 'echo 2' }),
    digestWith({ 's.md': 'two' }),
    digestWith({ 'plugin.toml': `timeout_seconds = 7\n${files['plugin.toml']}` }),
  ])
  expect(new Set([before, ...changed]).size).toBe(5)
})

test('without types that can be taken out, the file and the place are named', async () => {
  const { root } = scene({ ...sayingPlugin('a', 'say', ''), 'plugin.ts': 'enum Colour { Red }\nexport default {}' })
  await expect(readPlugin(root)).rejects.toThrow(/plugin\.ts: .*enum/is)
})

test('its folder has its name', async () => {
  const { root } = scene(sayingPlugin('a', 'say', ''), 'b')
  await expect(readPlugin(root)).rejects.toThrow('name: "a" is not what its folder is called, "b"')
  expect((await readPlugin(root, { anyFolder: true })).manifest.name).toBe('a')
})

const toScript = manifestOf('a', { run: 'script = "bin/run.sh"' })

test.each<[string, (root: string, folder: string) => void, string]>([
  [
    'a module that is a symbolic link',
    (root, folder) => symlinkSync(join(folder, 'outside.js'), join(root, 'x.js')),
    'x.js is a symbolic link',
  ],
  [
    'a module that is a hard link',
    (root, folder) => linkSync(join(folder, 'outside.js'), join(root, 'x.js')),
    'x.js is a file with several hard links',
  ],
  ['a module that is a pipe', (root) => execFileSync('mkfifo', [join(root, 'x.js')]), 'x.js is no ordinary file'],
  [
    'a manifest that is a link',
    (root, folder) => {
      rmSync(join(root, 'plugin.toml'))
      symlinkSync(join(folder, 'outside.js'), join(root, 'plugin.toml'))
    },
    'plugin.toml can not be read',
  ],
  [
    'a manifest that is a pipe',
    (root) => {
      rmSync(join(root, 'plugin.toml'))
      execFileSync('mkfifo', [join(root, 'plugin.toml')])
    },
    'plugin.toml is no ordinary file',
  ],
  [
    'a script that is a link',
    (root) => {
      writeFileSync(join(root, 'plugin.toml'), toScript)
      mkdirSync(join(root, 'bin'))
      symlinkSync('/bin/sh', join(root, 'bin/run.sh'))
    },
    'tools: ',
  ],
  [
    'a script in a folder that is a link',
    (root, folder) => {
      writeFileSync(join(root, 'plugin.toml'), toScript)
      writePlugin(folder, 'bin', { 'run.sh': 'echo' })
      symlinkSync(join(folder, 'bin'), join(root, 'bin'))
    },
    'tools: ',
  ],
  [
    'a script that is not there',
    (root) => writeFileSync(join(root, 'plugin.toml'), toScript),
    'tools: bin/run.sh is not there',
  ],
  [
    'a skill that is not there',
    (root) => writeFileSync(join(root, 'plugin.toml'), manifestOf('a', { say: '' }, 'companion_skills = ["s.md"]')),
    'companion_skills: s.md is not there',
  ],
  ['no code', (root) => rmSync(join(root, 'plugin.js')), 'plugin.ts or plugin.js is not there'],
  [
    'an entry that is not there',
    (root) => writeFileSync(join(root, 'plugin.toml'), `main = "dist/main.js"\n${manifestOf('a', { say: '' })}`),
    'dist/main.js is not there',
  ],
  [
    'too many modules',
    (root) => {
      for (let n = 0; n < 200; n++) writeFileSync(join(root, `m${n}.js`), '')
    },
    'more than 200 modules',
  ],
  [
    'a module that is too long',
    (root) => writeFileSync(join(root, 'x.js'), ' '.repeat(1_048_577)),
    'x.js has 1048577 bytes',
  ],
  [
    'folders that go too deep',
    (root) => mkdirSync(join(root, 'a/b/c/d/e/f/g/h/i'), { recursive: true }),
    'nested deeper than 8',
  ],
])('%s is refused', async (_, change, problem) => {
  const { root, folder } = scene()
  change(root, folder)
  await expect(readPlugin(root)).rejects.toThrow(problem)
})

test('a folder that is a link is no plugin', async () => {
  const { root, folder } = scene()
  symlinkSync(root, join(folder, 'b'))
  await expect(readPlugin(join(folder, 'b'))).rejects.toThrow('b is no folder')
})

test('what its users need is collected, and what its author has beside it is not', async () => {
  const { root } = scene({
    ...sayingPlugin('a', 'say', ''),
    'README.md': 'read me',
    'web/index.html': '<p>',
    'plugin.test.js': '',
    'package.json': '{"devDependencies":{"x":"1"}}',
    'tsconfig.json': '{}',
    'old.keel.zip': '',
    '.env': 'KEY=1',
    'node_modules/x/index.js': '',
  })
  const { name, version, files } = await collectPlugin(root)
  expect([name, version]).toEqual(['a', '1.0.0'])
  expect([...files.keys()].sort()).toEqual(['README.md', 'plugin.js', 'plugin.toml', 'web/index.html'])
})

test('the packages it depends on are bundled into its one module', async () => {
  const { root } = scene({
    'plugin.toml': manifestOf('a', { say: '' }),
    'plugin.ts': `import { definePlugin, tool } from '@keel/sdk'
import { shout } from 'shouting'
export default definePlugin({ tools: { say: tool({ run: () => shout('hello') }) } })`,
    'package.json': '{"dependencies":{"shouting":"1.0.0"}}',
    'node_modules/shouting/package.json': '{"name":"shouting","version":"1.0.0","type":"module","main":"index.js"}',
    'node_modules/shouting/index.js': 'export const shout = (text) => text.toUpperCase()',
  })
  const { files } = await collectPlugin(root)
  expect([...files.keys()].sort()).toEqual(['plugin.js', 'plugin.toml'])
  const bundled = files.get('plugin.js')?.toString() ?? ''
  expect(bundled).toContain('toUpperCase')
  expect(bundled).toMatch(/from ["']@keel\/sdk["']/)
})

test('what can not be bundled is told with its place', async () => {
  const { root } = scene({
    'plugin.toml': manifestOf('a', { say: '' }),
    'plugin.js': "import { word } from './word.js'\nexport default word",
    'package.json': '{"dependencies":{"shouting":"1.0.0"}}',
  })
  await expect(collectPlugin(root)).rejects.toThrow(
    /^it can not be bundled: Could not resolve '\.\/word\.js' in plugin\.js \(plugin\.js:1:\d+\)$/,
  )
})

test('a bundle takes nothing from outside its folder', async () => {
  const { root } = scene({
    'plugin.toml': manifestOf('a', { say: '' }),
    'plugin.js': "import { secret } from '../outside.js'\nexport default secret",
    'package.json': '{"dependencies":{"shouting":"1.0.0"}}',
  })
  await expect(collectPlugin(root)).rejects.toThrow('outside the plugin')
})

test('a link is not collected', async () => {
  const { root } = scene()
  symlinkSync('/etc/hostname', join(root, 'notes.txt'))
  await expect(collectPlugin(root)).rejects.toThrow('notes.txt can not be read')
})
