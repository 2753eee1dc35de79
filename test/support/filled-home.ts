import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openHome } from '#kernel/home.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import { openStore } from '#kernel/store/store.ts'

const words = 'the quick brown fox jumps over the lazy dog '

/** A home with one conversation in its database; deleted at the test's end. */
export async function filledHome(messages: number): Promise<{ home: string; database: string; sessionId: string }> {
  const root = mkdtempSync(join(tmpdir(), 'keel-home-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const { database } = openHome(root, {})
  const store = openStore(database, { onFault: () => {} })
  const { id } = insertSession(store.write, { agent_id: 'default', scope_key: 'agent' })
  store.write.transaction(() => {
    for (let n = 0; n < messages; n++)
      appendMessage(store.write, { session_id: id, role: 'user', content: `${n} ${words.repeat(10)}`, turn_id: null })
  })()
  await store.close()
  return { home: root, database, sessionId: id }
}
