import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, isAlive, startDaemon } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream({ text: 'Hello from the model.' })
  keel = await startDaemon()
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

interface Outcome {
  code: number
  stdout: string
  stderr: string
}

/** Runs the command as a user would, with `input` typed at it. */
function run(args: string[], input = ''): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = { ...process.env, KEEL_HOME: keel.home, NO_COLOR: '1' }
    const child = execFile(
      process.execPath,
      ['kernel/cli/keel.mjs', ...args],
      { cwd: root, env, timeout: 20_000 },
      (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    )
    child.stdin?.end(input)
  })
}

test('the status is readable, and JSON when asked for', async () => {
  const readable = await run(['status'])
  expect(readable).toMatchObject({ code: 0, stderr: '' })
  expect(readable.stdout).toContain('keel/offline')
  const json = await run(['status', '--json'])
  expect(JSON.parse(json.stdout)).toMatchObject({ health: { status: 'ok' } })
})

test('a provider and its key are added from the command line, the key by standard input alone', async () => {
  const added = await run([
    'provider',
    'add',
    'mock',
    '--url',
    upstream.url,
    '--format',
    'openai',
    '--model',
    'test-model',
  ])
  expect(added, added.stderr).toMatchObject({ code: 0 })
  expect(added.stdout).toContain('mock/test-model now answers')
  const keyed = await run(['provider', 'key', 'mock'], 'sk-typed-by-hand-1234\n')
  expect(keyed, keyed.stderr).toMatchObject({ code: 0 })
  expect(keyed.stdout + keyed.stderr).not.toContain('sk-typed-by-hand-1234')
})

test('a conversation from a pipe: one line is one message', async () => {
  const { code, stdout } = await run(['chat'], 'Good morning\nAnd good night\n/quit\n')
  expect(code).toBe(0)
  expect(stdout.match(/Hello from the model\./g)).toHaveLength(2)
  expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer sk-typed-by-hand-1234')
})

test('services are listed and restarted', async () => {
  const listed = await run(['service', 'list'])
  expect(listed.stdout).toMatch(/inference\s+ready/)
  const restarted = await run(['service', 'restart', 'agent'])
  expect(restarted, restarted.stderr).toMatchObject({ code: 0 })
  const unknown = await run(['service', 'restart', 'nobody'])
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toContain("service 'nobody' not found")
})

test('settings are shown, changed and checked', async () => {
  expect((await run(['config', 'get', 'models.primary'])).stdout.trim()).toBe('mock/test-model')
  expect(await run(['config', 'set', 'agent.name', 'Anchor'])).toMatchObject({ code: 0 })
  expect((await run(['config', 'get', 'agent.name'])).stdout.trim()).toBe('Anchor')
  const wrong = await run(['config', 'set', 'circuit_breaker.threshold', 'many'])
  expect(wrong.code).toBe(1)
  expect(wrong.stderr).toContain('circuit_breaker.threshold')
  expect(await run(['config', 'check'])).toMatchObject({ code: 0 })
})

test('the log is shown', async () => {
  const { code, stdout } = await run(['logs', '-n', '20'])
  expect(code).toBe(0)
  expect(stdout).toContain('Keel is up')
})

test('the doctor finds nothing wrong', async () => {
  const { code, stdout, stderr } = await run(['doctor'])
  expect(code, stdout + stderr).toBe(0)
})

test('what is misspelt is one clear sentence and exit code 1', async () => {
  const { code, stderr } = await run(['statsu'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/statsu/)
  expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(3)
})

test('it is stopped, says so, and then says that nothing runs', async () => {
  const stopped = await run(['stop'])
  expect(stopped, stopped.stderr).toMatchObject({ code: 0 })
  await eventually('the process is gone', () => !isAlive(keel.pid))
  expect(existsSync(join(keel.home, 'run', 'keel.pid'))).toBe(false)
  const status = await run(['status'])
  expect(status.code).toBe(1)
  expect(status.stderr).toContain('Start it with: keel start')
})
