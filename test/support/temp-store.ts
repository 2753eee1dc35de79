import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openStore, type Store } from '#kernel/store/store.ts'

/** A folder that is gone when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keel-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A fresh, migrated database that is closed and removed when the test is over. */
export function temporaryStore(): { store: Store; path: string } {
  const path = join(temporaryFolder(), 'keel.db')
  const store = openStore(path, {
    onFault: (thrown) => {
      throw thrown
    },
  })
  onTestFinished(() => store.close())
  return { store, path }
}
