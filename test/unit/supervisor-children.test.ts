import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { childEnv } from '#kernel/supervisor/child-env.ts'
import { refusalOf } from '#kernel/supervisor/greeting.ts'
import { forgetChild, recordChild, sweepOrphans } from '#kernel/supervisor/orphans.ts'
import { WireFaults } from '#kernel/supervisor/wire-faults.ts'
import { fingerprint } from '#sdk/service.ts'
import { isAlive } from '../support/daemon.ts'
import { probe, probeKernel } from '../support/services/probe-contract.ts'
import { probeSpec } from '../support/services/supervised-spec.ts'

function runDirectory() {
  const dir = mkdtempSync(join(tmpdir(), 'keel-run-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

test('a child sees of the environment what is listed, and what its spec adds', () => {
  const env = {
    PATH: '/bin',
    HOME: '/home/x',
    OPENAI_API_KEY: 'sk-1',
    KEEL_API_KEY: 'k',
    NODE_OPTIONS: '--inspect',
    TZ: 'UTC',
  }
  expect(childEnv({ EXTRA: '1' }, env)).toEqual({ PATH: '/bin', HOME: '/home/x', TZ: 'UTC', EXTRA: '1' })
})

test('only the greeting of this very service is one', () => {
  const spec = probeSpec()
  const greeting = (change: Record<string, unknown> = {}) =>
    JSON.stringify({
      jsonrpc: '2.0',
      method: '$/hello',
      params: { name: 'probe', pid: 1, fingerprint: fingerprint(probe, probeKernel), ...change },
    })
  expect(refusalOf(greeting(), spec)).toBeUndefined()
  expect(refusalOf(greeting({ name: 'wallet' }), spec)).toBe('the process greets as "wallet", not as probe')
  expect(refusalOf(greeting({ fingerprint: 'old' }), spec)).toContain('was built for another version of Keel')
  for (const frame of [
    '',
    'hello',
    '{"jsonrpc":"2.0","method":"kernel.note","params":{"text":"first"}}',
    '{"jsonrpc":"2.0","id":1,"method":"$/hello"}',
  ])
    expect(refusalOf(frame, spec)).toBe('the first message of probe is not its greeting')
})

test('a survivor of an earlier kernel is ended, any other process is not', async () => {
  const runDir = runDirectory()
  const script = 'setInterval(() => {}, 1000); process.stdout.write("up")'
  const entry = join(runDir, 'entry.mjs')
  writeFileSync(entry, script)
  const start = async (mark: string) => {
    const child = spawn(process.execPath, [entry, mark], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    return child
  }
  const survivor = await start('probe-0123456789abcdef')
  const stranger = await start('probe-fedcba9876543210')
  const survivorEnded = once(survivor, 'exit')
  survivor.kill('SIGSTOP')
  recordChild(runDir, survivor.pid ?? 0, { name: 'probe', entry, mark: 'probe-0123456789abcdef' })
  // The same program, but another child: its number was used before.
  recordChild(runDir, stranger.pid ?? 0, { name: 'other', entry, mark: 'probe-gone-long-ago' })
  recordChild(runDir, 2 ** 22 + 7, { name: 'gone', entry, mark: 'probe-gone-long-ago' })
  writeFileSync(join(runDir, 'children', '7.json'), '{"name":"cut sh')
  writeFileSync(join(runDir, 'children', '-1.json'), '{}')
  expect(statSync(join(runDir, 'children', `${survivor.pid}.json`)).mode & 0o777).toBe(0o600)

  expect(sweepOrphans(runDir)).toEqual(['probe'])
  expect(await survivorEnded).toEqual([null, 'SIGKILL'])
  expect(isAlive(stranger.pid ?? 0)).toBe(true)
  expect(sweepOrphans(runDir)).toEqual([])
  expect(existsSync(join(runDir, 'children', '7.json'))).toBe(false)
})

test('nothing to sweep is no error, forgetting twice neither', () => {
  const runDir = runDirectory()
  expect(sweepOrphans(runDir)).toEqual([])
  mkdirSync(join(runDir, 'children'))
  forgetChild(runDir, 5)
  expect(sweepOrphans(runDir)).toEqual([])
})

test('a fault now and then is forgiven, eleven within ten seconds are not', () => {
  const faults = new WireFaults(10)
  for (let n = 0; n < 50; n++) expect(faults.count(n * 1_000)).toBe(false)
  const babbling = new WireFaults(10)
  expect(Array.from({ length: 11 }, (_, n) => babbling.count(n))).toEqual([...Array(10).fill(false), true])
})
