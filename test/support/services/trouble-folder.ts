import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export const troubleEntry = new URL('./trouble.ts', import.meta.url)

/** A folder whose files tell the fixture how to misbehave; empty, it behaves. */
export function troubleFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'keel-trouble-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return {
    env: { TROUBLE: folder },
    cause: (name: string) => writeFileSync(join(folder, name), ''),
    mend: () => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name))
    },
  }
}
