import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const parts = ['kernel', 'sdk', 'services', 'package.json']

export interface InstallCopy {
  root: string
  /** From now on each process of this service loads what it needs and then crashes. */
  breakService(name: string): void
  mendService(name: string): void
  /** The service's processes run this program from now on; it imports the SDK alone. */
  replaceService(name: string, entry: URL): void
  remove(): void
}

/** Keel's own files once more, for a test that damages them. */
export function copyInstall(): InstallCopy {
  const copy = mkdtempSync(join(tmpdir(), 'keel-install-'))
  for (const part of parts) cpSync(join(root, part), join(copy, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const entryOf = (name: string) => join('services', name, 'main.ts')
  return {
    root: copy,
    breakService(name) {
      const imports = readFileSync(join(root, entryOf(name)), 'utf8').match(/^import .* from '.*'$/gm) ?? []
      const loads = imports.map((line) => line.replace(/^import .* from/, 'import'))
      writeFileSync(join(copy, entryOf(name)), [...loads, "throw new Error('broken by a test')", ''].join('\n'))
    },
    mendService: (name) => cpSync(join(root, entryOf(name)), join(copy, entryOf(name))),
    replaceService: (name, entry) => cpSync(entry, join(copy, entryOf(name))),
    remove: () => rmSync(copy, { recursive: true, force: true }),
  }
}
