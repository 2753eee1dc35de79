import { copyFile, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { stringify } from 'smol-toml'
import type { KeyPath, Table } from './key-path.ts'
import { removedKey } from './layers.ts'

/** Older copies are deleted. */
const maxBackups = 10

const header = `# Written by Keel: what was changed in the dashboard or over the API. Your own settings belong in keel.toml.\n`

/** The text of overrides.toml. Throws a TypeError for a value that TOML can not hold, such as null in a list. */
export function overridesText(overrides: Table, removed: readonly KeyPath[]): string {
  const content = removed.length === 0 ? overrides : { [removedKey]: removed, ...overrides }
  return Object.keys(content).length === 0 ? '' : `${header}\n${stringify(content)}\n`
}

/** Puts the text in the file's place in one step; a reader sees the old file or the new one. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => {})
    throw thrown
  }
}

/** Copies the file to `<name>.bak.<time>` beside it and returns the copy's path; undefined when there is no file. */
export async function backUp(path: string, at: Date): Promise<string | undefined> {
  const copy = `${path}.bak.${at.toISOString().replace(/[-:]/g, '')}`
  try {
    await copyFile(path, copy)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
  await pruneBackups(path)
  return copy
}

export async function restore(path: string, backup: string | undefined): Promise<void> {
  if (backup === undefined) await rm(path, { force: true })
  else await copyFile(backup, path)
}

async function pruneBackups(path: string): Promise<void> {
  const prefix = `${basename(path)}.bak.`
  const backups = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix)).sort()
  for (const name of backups.slice(0, -maxBackups)) await rm(join(dirname(path), name), { force: true })
}
