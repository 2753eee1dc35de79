import { readFile, writeFile } from 'node:fs/promises'
import { expect } from 'vitest'

const folder = new URL('../contract/goldens/', import.meta.url)

/** The text of a golden file. */
export function readGolden(name: string): Promise<string> {
  return readFile(new URL(name, folder), 'utf8')
}

/** Compares `text` with a golden file; with UPDATE_GOLDENS=1 it becomes the golden file. */
export async function expectGolden(name: string, text: string): Promise<void> {
  if (process.env.UPDATE_GOLDENS === '1') await writeFile(new URL(name, folder), text)
  expect(text, `${name} has changed: look at the difference, then run again with UPDATE_GOLDENS=1`).toBe(
    await readGolden(name),
  )
}
