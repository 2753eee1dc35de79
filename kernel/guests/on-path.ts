import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Guests ask for the same few programs in each turn: an answer counts for so long, in milliseconds. */
const freshMs = 5_000
const maxRemembered = 1_000
const remembered = new Map<string, { isThere: boolean; until: number }>()

/** Whether a program can be started by its name alone. */
export function isOnPath(program: string, { PATH = '' }: NodeJS.ProcessEnv = process.env, now = Date.now()): boolean {
  if (!/^[\w.+-]{1,128}$/.test(program)) return false
  const key = `${program}\0${PATH}`
  const known = remembered.get(key)
  if (known && known.until > now) return known.isThere
  const isThere = PATH.split(delimiter).some((folder) => folder !== '' && isExecutable(join(folder, program)))
  if (remembered.size >= maxRemembered) remembered.clear()
  remembered.set(key, { isThere, until: now + freshMs })
  return isThere
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
