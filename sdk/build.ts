import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RuntimeError } from './errors.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const sdk = join(root, 'sdk')
const dist = join(sdk, 'dist')
/** Of a module in an import, or of a file that a module starts. */
const moduleNames = /(?<=(?:from |import\(|import |new URL\(|resolve\()')([^']+)\.ts(?=')/g

/**
 * Builds the package `@keel/sdk` into `sdk/dist`: the compiler writes the declarations of everything that the package
 * consists of, and each module beside its declarations is its source without types. Needs the development dependencies.
 */
export function buildSdk(): void {
  rmSync(dist, { recursive: true, force: true })
  const compiler = compilerPath()
  execFileSync(process.execPath, [compiler, '-p', join(sdk, 'tsconfig.build.json')], { cwd: root, stdio: 'pipe' })
  for (const declarations of globSync('**/*.d.ts', { cwd: dist })) {
    const path = declarations.replace(/\.d\.ts$/, '')
    const source = readFileSync(join(root, `${path}.ts`), 'utf8')
    write(`${path}.js`, stripTypeScriptTypes(source, { mode: 'strip' }))
    write(declarations, readFileSync(join(dist, declarations), 'utf8'))
  }
}

function compilerPath(): string {
  try {
    const require = createRequire(import.meta.url)
    return join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
  } catch (cause) {
    throw new RuntimeError('unavailable', 'The SDK is built with the compiler: install it with npm ci', undefined, {
      cause,
    })
  }
}

function write(path: string, text: string): void {
  const target = join(dist, path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text.replaceAll(moduleNames, '$1.js'))
}

if (import.meta.main) buildSdk()
