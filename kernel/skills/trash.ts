import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { newId, timestamp } from '#sdk/ids.ts'

const trashName = '.trash'

/** Takes a skill's files away: into the trash folder, from where a person can take them back, or for good. */
export async function discard(
  root: string,
  { dir, purge = false, name = basename(root) }: { dir: string; purge?: boolean; name?: string },
): Promise<void> {
  if (purge) return rm(root, { recursive: true })
  const trash = join(dir, trashName)
  await mkdir(trash, { recursive: true, mode: 0o700 })
  const mark = `${timestamp().replaceAll(/[:.]/g, '-')}-${newId().slice(-4)}`
  await rename(root, join(trash, `${mark}-${name}`))
}
