import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether a program can be started by its name alone. */
export function isOnPath(program: string, env: NodeJS.ProcessEnv = process.env): boolean {
  if (!/^[\w.+-]{1,128}$/.test(program)) return false
  return (env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}
