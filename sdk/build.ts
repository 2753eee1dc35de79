import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RuntimeError } from './errors.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const sdk = join(root, 'sdk')
const dist = join(sdk, 'dist')
/** Beside what was built: the digest of what it was built from. */
const mark = join(dist, 'source.sha256')
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
  writeFileSync(mark, sourceDigest())
}

/** Whether what was built is what would be built now. */
export function isSdkBuilt(): boolean {
  return existsSync(mark) && readFileSync(mark, 'utf8') === sourceDigest()
}

/** Of everything that the package may be made from. */
export function sourceDigest(): string {
  const paths = globSync('{sdk,kernel,services}/**/*.{ts,json}', { cwd: root, exclude: ['sdk/dist/**'] }).sort()
  const digest = createHash('sha256')
  for (const path of paths) digest.update(path).update(readFileSync(join(root, path)))
  return digest.digest('hex')
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
