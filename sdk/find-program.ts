import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where the system keeps its programs: asked before the path, in which anybody may have put folders of their own. */
const systemFolders = ['/usr/local/bin', '/usr/bin', '/bin', '/opt/homebrew/bin']

/** The absolute path of a program, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [
    ...systemFolders,
    ...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/')),
  ]
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

/** Whether a file may be run. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
