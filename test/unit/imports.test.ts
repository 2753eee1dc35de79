import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const importShape = /(?:from\s+|import\s*\(\s*|import\s+)['"]([^'"\n]+)['"]/g

interface Import {
  file: string
  /** A path from the root, or the name of a package. */
  target: string
}

/** Text that a file writes or runs elsewhere is no import of its own. */
const templates = /`(?:\\.|[^`\\])*`/gs

function importsOf(folder: string): Import[] {
  const files = globSync(`${folder}/**/*.ts`, { cwd: root, exclude: ['sdk/dist/**'] })
  return files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').replaceAll(templates, '``').matchAll(importShape)].map(
      ([, given = '']) => ({
        file,
        target: resolved(file, given),
      }),
    ),
  )
}

function resolved(file: string, given: string): string {
  if (given.startsWith('.')) return normalize(join(dirname(file), given))
  const alias = /^#(sdk|kernel)\/(.*)$/.exec(given)
  return alias ? `${alias[1]}/${alias[2]}` : given
}

function packageOf(target: string): string | null {
  if (/^(sdk|kernel|services|plugins|test)\/|^package\.json$/.test(target) || target.startsWith('node:')) return null
  return target.startsWith('@') ? target.split('/', 2).join('/') : (target.split('/', 1)[0] ?? null)
}

const describe = ({ file, target }: Import) => `${file} imports ${target}`

test('the sdk imports nothing of the kernel or the services', () => {
  const wrong = importsOf('sdk').filter(({ target }) => /^(kernel|services|plugins|test)\//.test(target))
  expect(wrong.map(describe)).toEqual([])
})

test('a service imports the sdk and itself, and no other process', () => {
  const wrong = importsOf('services').filter(({ file, target }) => {
    const own = file.split('/').slice(0, 2).join('/')
    return /^(kernel|services|plugins|test)\//.test(target) && !target.startsWith(`${own}/`)
  })
  expect(wrong.map(describe)).toEqual([])
})

test('the kernel knows a service by its contract and entry path alone', () => {
  const wrong = importsOf('kernel').filter(({ target }) => /^(services|plugins|test)\//.test(target))
  expect(wrong.map(describe)).toEqual([])
})

test('SQL is written in the store, and only the store and the lock open a database', () => {
  const wrong = importsOf('kernel')
    .filter(({ target }) => target === 'better-sqlite3')
    .filter(
      ({ file }) =>
        !file.startsWith('kernel/store/') && file !== 'kernel/home-lock.ts' && !file.startsWith('kernel/cli/'),
    )
  expect(wrong.map(describe)).toEqual([])
})

test.each([
  ['openai', 'services/inference/'],
  ['@anthropic-ai/sdk', 'services/inference/'],
  ['express', 'kernel/http/'],
  ['ws', 'kernel/http/'],
  ['commander', 'kernel/cli/'],
])('%s is used in %s alone', (name, folder) => {
  const users = ['sdk', 'kernel', 'services'].flatMap(importsOf).filter(({ target }) => packageOf(target) === name)
  expect(users.length).toBeGreaterThan(0)
  expect(users.filter(({ file }) => !file.startsWith(folder)).map(describe)).toEqual([])
})

test('every package that the code imports is one of its dependencies', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const used = new Set(['sdk', 'kernel', 'services'].flatMap(importsOf).map(({ target }) => packageOf(target)))
  used.delete(null)
  expect([...used].filter((name) => name !== null && !Object.hasOwn(dependencies, name))).toEqual([])
  const unused = Object.keys(dependencies).filter((name) => !used.has(name))
  expect(unused).toEqual([])
})
