import { mkdir, readdir, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { unpack } from '#kernel/archive/unpack.ts'

/** Unpacks a skill's archive into a folder that is not there yet: its files, or one folder with them in it. */
export async function unpackSkill(archive: string, folder: string): Promise<void> {
  await mkdir(folder)
  await unpack(archive, folder)
  const [only, ...others] = await readdir(folder, { withFileTypes: true })
  if (!only?.isDirectory() || others.length > 0) return
  // Aside first: what is inside may have the name of what it is in.
  const aside = `${folder}.outer`
  await rename(folder, aside)
  await rename(join(aside, only.name), folder)
  await rmdir(aside)
}
