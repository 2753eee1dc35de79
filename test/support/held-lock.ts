import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const script = `
  const db = new (require('better-sqlite3'))(process.argv[1])
  db.exec('BEGIN EXCLUSIVE')
  console.log('held')
  setInterval(() => {}, 1_000)`

/** Another process that holds the write lock of the database until it is let go of. */
export async function holdLock(database: string): Promise<{ letGo(): Promise<void> }> {
  const child = spawn(process.execPath, ['-e', script, database], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const letGo = async () => {
    child.kill('SIGKILL')
    await ended
  }
  onTestFinished(letGo)
  await once(child.stdout, 'data')
  return { letGo }
}
