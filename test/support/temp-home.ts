import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Home, openHome } from '#kernel/home.ts'

/** A home of its own for one test, with this keel.toml; deleted at the test's end. */
export function tempHome(config = ''): Home {
  const root = mkdtempSync(join(tmpdir(), 'keel-home-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const home = openHome(root, {})
  if (config !== '') writeFileSync(home.config, config)
  return home
}
