import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { eventually, isAlive } from '../support/daemon.ts'
import { freeze, hasEnded } from '../support/services/supervised.ts'

test('the kernel is killed: its children leave, and the one that can not is ended by the next kernel', async () => {
  const runDir = mkdtempSync(join(tmpdir(), 'keel-run-'))
  onTestFinished(() => rmSync(runDir, { recursive: true, force: true, maxRetries: 5 }))
  const script = fileURLToPath(new URL('../support/services/small-kernel.ts', import.meta.url))
  const start = async () => {
    const kernel = spawn(process.execPath, [script, runDir], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void kernel.kill('SIGKILL'))
    const pids: number[] = []
    for await (const line of createInterface({ input: kernel.stdout })) {
      pids.push(...line.split(' ').map(Number))
      break
    }
    return { kernel, pids, ended: once(kernel, 'exit') }
  }
  const first = await start()
  const [seeing, stopped] = first.pids
  if (!seeing || !stopped) throw new Error('The small kernel has no children')
  expect([isAlive(seeing), isAlive(stopped)]).toEqual([true, true])
  freeze(stopped)
  first.kernel.kill('SIGKILL')
  await first.ended
  await eventually('the child that sees it has left', () => hasEnded(seeing), 3_000)
  expect(hasEnded(stopped)).toBe(false)
  expect(existsSync(join(runDir, 'children', `${stopped}.json`))).toBe(true)
  const second = await start()
  await eventually('the stopped child is gone', () => hasEnded(stopped), 3_000)
  expect(existsSync(join(runDir, 'children', `${stopped}.json`))).toBe(false)
  second.kernel.kill('SIGTERM')
  await second.ended
  for (const pid of second.pids) expect(hasEnded(pid)).toBe(true)
})
