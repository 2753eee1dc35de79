import { join } from 'node:path'
import { isErrorOf } from '#sdk/errors.ts'
import { listInside } from '#sdk/path-root.ts'
import { rootRules } from './text-file.ts'
import type { ToolContext } from './tool.ts'

const maxWalkedFiles = 5_000
const maxWalkedFolders = 5_000
const skippedFolders = new Set(['.git', 'node_modules'])

export interface WalkedFiles {
  /** In the order of a reader: a folder's own files first. */
  paths: string[]
  unreadableFolders: number
  /** The walk ended at its limit, and there are more files. */
  cut: boolean
}

/** The ordinary files below a folder; symbolic links, `.git` and `node_modules` are not entered. */
export async function walkFiles(start: string, { settings, signal }: ToolContext): Promise<WalkedFiles> {
  const rules = rootRules(settings)
  const walked: WalkedFiles = { paths: [], unreadableFolders: 0, cut: false }
  const folders = [start]
  for (let visited = 0; folders.length > 0; visited++) {
    signal.throwIfAborted()
    const folder = folders.pop() ?? start
    const listed = await listInside(settings.workspace, folder, rules).catch((cause) => {
      if (folder !== start && isErrorOf(cause, 'forbidden', 'not_found', 'invalid', 'conflict')) return undefined
      throw cause
    })
    if (!listed) {
      walked.unreadableFolders++
      continue
    }
    const entries = listed.entries.sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) {
      if (!entry.isFile()) continue
      if (walked.paths.length === maxWalkedFiles) return { ...walked, cut: true }
      walked.paths.push(join(folder, entry.name))
    }
    const below = entries.filter((entry) => entry.isDirectory() && !skippedFolders.has(entry.name))
    if (visited + folders.length + below.length > maxWalkedFolders) return { ...walked, cut: true }
    folders.push(...below.map(({ name }) => join(folder, name)).reverse())
  }
  return walked
}
