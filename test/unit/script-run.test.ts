import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { scriptAnswer } from '#sdk/script-words.ts'
import type { ScriptRun } from '#sdk/services/tools.ts'
import { availableConfinement } from '../../services/tools/script/confinement.ts'
import { eventually, isAlive } from '../support/daemon.ts'
import { forkTools, scriptSettings, startTools } from '../support/tools-service.ts'

/** A folder of scripts, deleted with the test. */
function folder(scripts: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'keel-scripts-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(scripts)) writeFileSync(join(root, name), text)
  return root
}

function wanted(root: string, script: string, more: Partial<ScriptRun> = {}): ScriptRun {
  return { root, script, sha256: null, args: [], stdin: '', env: {}, timeout_ms: null, network: false, ...more }
}

test.each([
  ['greet.sh', '#!/bin/sh\necho "Hello $1"; cat', 'Hello you\nmilk'],
  ['greet.py', 'import sys\nprint("Hello", sys.argv[1])\nprint(sys.stdin.read(), end="")', 'Hello you\nmilk'],
  [
    'greet.mjs',
    'process.stdin.on("data", (d) => console.log("Hello", process.argv[2] + "\\n" + d))',
    'Hello you\nmilk',
  ],
  ['greet', '#!/usr/bin/env python3\nprint("Hello you\\nmilk")', 'Hello you\nmilk'],
])('%s runs with its arguments and its input', async (name, text, printed) => {
  const { tools } = await startTools()
  const outcome = await tools.runScript(wanted(folder({ [name]: text }), name, { args: ['you'], stdin: 'milk' }))
  expect(outcome).toMatchObject({ status: 'exited', exit_code: 0, stderr: '' })
  expect(outcome.stdout.trimEnd()).toBe(printed)
  expect(outcome.confinement).toBe(await availableConfinement())
})

test('arguments are no shell: they arrive as they are', async () => {
  const { tools } = await startTools()
  const args = ['$(id)', '; rm -rf /', "it's", '--opt=`x`', '']
  const root = folder({ 'show.py': 'import sys, json\nprint(json.dumps(sys.argv[1:]))' })
  const { stdout } = await tools.runScript(wanted(root, 'show.py', { args }))
  expect(JSON.parse(stdout)).toEqual(args)
})

test('a script sees nothing of the environment but what every program needs', async () => {
  const { child: _child, tools } = await forkTools({ scripts: { ...scriptSettings, confined: false } })
  const root = folder({ 'env.py': 'import os, json\nprint(json.dumps(dict(os.environ)))' })
  process.env.KEEL_TEST_SECRET = 'sk-1234567890abcdef'
  onTestFinished(() => void delete process.env.KEEL_TEST_SECRET)
  const { stdout } = await tools.runScript(wanted(root, 'env.py', { env: { KEEL_INPUT: '{}' } }))
  const seen = Object.keys(JSON.parse(stdout))
  const expected = [
    'HOME',
    'KEEL_INPUT',
    'LANG',
    'LC_ALL',
    'LC_CTYPE',
    'PATH',
    'PYTHONPYCACHEPREFIX',
    'TERM',
    'TMPDIR',
    'TZ',
    'PWD',
    'SHLVL',
    '_',
  ]
  expect(seen.filter((name) => !expected.includes(name) && !name.startsWith('PYENV'))).toEqual([])
})

test.each([
  ['a path that leads out', '../outside.sh', 'SCRIPT_PATH_INVALID'],
  ['a file that is not there', 'missing.sh', 'SCRIPT_PATH_INVALID'],
  ['a link', 'link.sh', 'SCRIPT_PATH_INVALID'],
  ['a file with a second name', 'twin.sh', 'SCRIPT_PATH_INVALID'],
  ['a file that everybody may write to', 'open.sh', 'SCRIPT_PATH_INVALID'],
  ['an interpreter that is not allowed', 'perl.pl', 'SCRIPT_INTERPRETER_DENIED'],
  ['an interpreter in disguise', 'split.sh', 'SCRIPT_INTERPRETER_DENIED'],
  ['a file that names none', 'data.bin', 'SCRIPT_INTERPRETER_DENIED'],
])('%s is refused', async (_, script, code) => {
  const { tools } = await startTools()
  const root = folder({
    'plain.sh': 'echo ran',
    'second.sh': 'echo ran',
    'open.sh': 'echo ran',
    'perl.pl': '#!/usr/bin/perl\nprint 1',
    'split.sh': '#!/usr/bin/env -S bash -c "id"\n',
    'data.bin': '\0\0',
  })
  symlinkSync(join(root, 'plain.sh'), join(root, 'link.sh'))
  linkSync(join(root, 'second.sh'), join(root, 'twin.sh'))
  chmodSync(join(root, 'open.sh'), 0o666)
  await expect(tools.runScript(wanted(root, script))).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining(code),
  })
  expect((await tools.runScript(wanted(root, 'plain.sh'))).stdout).toBe('ran\n')
})

test('what runs is what was allowed: another content of the same name is refused', async () => {
  const { tools } = await startTools()
  const root = folder({ 'run.sh': 'echo first' })
  const sha256 = createHash('sha256').update('echo first').digest('hex')
  expect((await tools.runScript(wanted(root, 'run.sh', { sha256 }))).stdout).toBe('first\n')
  writeFileSync(join(root, 'run.sh'), 'echo second')
  await expect(tools.runScript(wanted(root, 'run.sh', { sha256 }))).rejects.toThrow('is not what was allowed to run')
})

test.each([
  ['timeout', { timeout_ms: 300 }, 'sleep 60 & sleep 60', 'SCRIPT_TIMEOUT'],
  [
    'output_limit',
    { output_bytes: 1_000 },
    'while :; do echo "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; done',
    'wrote too much',
  ],
  ['process_limit', {}, 'for i in $(seq 200); do sleep 60 & done; wait', 'too many processes'],
  ['exited', {}, 'echo "é€" ; echo oops >&2; exit 3', 'SCRIPT_EXIT_NONZERO: it ended with code 3\né€\n[stderr]\noops'],
] as const)('a run that ends by %s says so and leaves nothing behind', async (status, limits, text, told) => {
  const { tools } = await startTools({ scripts: { ...scriptSettings, ...limits } })
  const root = folder({ 'run.sh': text })
  const outcome = await tools.runScript(wanted(root, 'run.sh'))
  expect(outcome.status).toBe(status)
  expect(scriptAnswer(outcome).output).toContain(told)
  expect(Buffer.byteLength(outcome.stdout)).toBeLessThan(2_000)
})

test('compiled code beside a script, which no digest covers, is not what runs', async () => {
  const { tools } = await startTools()
  const root = folder({ 'run.py': 'import part\nprint(part.word)', 'part.py': 'word = "good"' })
  // What Python would take in place of part.py: same size, same time.
  execFileSync('python3', [
    '-c',
    `import os, py_compile
path = ${JSON.stringify(join(root, 'part.py'))}
times = os.stat(path)
open(path, 'w').write('word = "evil"')
os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
py_compile.compile(path)
open(path, 'w').write('word = "good"')
os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))`,
  ])
  expect(execFileSync('python3', [join(root, 'run.py')]).toString()).toBe('evil\n')
  expect((await tools.runScript(wanted(root, 'run.py'))).stdout).toBe('good\n')
})

test('memory is what is resident, so that Node runs under a limit that a hungry script breaks', async () => {
  const { tools } = await startTools({ scripts: { ...scriptSettings, memory_bytes: 150 * 1_048_576 } })
  const root = folder({
    'calm.js': 'console.log("calm")',
    'hungry.py':
      'keep = []\nwhile True:\n  keep.append(bytearray(10_000_000))\n  keep[-1][::4096] = b"x" * len(keep[-1][::4096])',
  })
  expect((await tools.runScript(wanted(root, 'calm.js'))).stdout).toBe('calm\n')
  expect((await tools.runScript(wanted(root, 'hungry.py'))).status).toBe('memory_limit')
})

test('a run that is out of time takes along what it has started, also what does not listen', async () => {
  const { tools, settings } = await startTools({ scripts: { ...scriptSettings, confined: false, timeout_ms: 700 } })
  const root = folder({
    'deaf.sh': 'trap "" TERM; (trap "" TERM; sleep 60) & echo $! > "$1"; while :; do sleep 1; done',
  })
  const note = join(settings.workspace, 'pid')
  expect((await tools.runScript(wanted(root, 'deaf.sh', { args: [note] }))).status).toBe('timeout')
  expect(pidIn(note)).toBeGreaterThan(0)
  await eventually('its child is gone', () => !isAlive(pidIn(note)))
})

test('a caller that cancels ends the script and its children', async () => {
  const { tools, settings } = await startTools({ scripts: { ...scriptSettings, confined: false } })
  const root = folder({ 'long.sh': 'sleep 60 & echo $! > "$1"; wait' })
  const note = join(settings.workspace, 'pid')
  const caller = new AbortController()
  const run = tools.runScript(wanted(root, 'long.sh', { args: [note] }), { signal: caller.signal })
  await eventually('it has begun', () => pidIn(note) > 0)
  caller.abort()
  await expect(run).rejects.toMatchObject({ kind: 'cancelled' })
  await eventually('its child is gone', () => !isAlive(pidIn(note)))
})

test('a service that is killed takes its scripts along', async () => {
  const { child, tools, settings } = await forkTools()
  const root = folder({ 'long.sh': 'echo begun > "$1"; while :; do echo on >> "$1"; sleep 0.05; done' })
  const note = join(settings.workspace, 'note')
  const run = tools.runScript(wanted(root, 'long.sh', { args: [note] })).catch((thrown: Error) => thrown)
  const length = () => {
    try {
      return readFileSync(note).length
    } catch {
      return 0
    }
  }
  await eventually('it has begun', () => length() > 0)
  child.kill('SIGKILL')
  expect(await run).toBeInstanceOf(Error)
  await eventually('nobody writes any more', async () => {
    const before = length()
    await delay(200)
    return length() === before
  })
})

test('the walls: no other home, no network, nothing to write to but the workspace', async () => {
  const kind = await availableConfinement()
  const { tools, settings } = await startTools()
  const secret = join(settings.home, 'secret.key')
  const root = folder({
    'peek.py': `import os, socket, sys
def tell(name, work):
    try: print(name, work())
    except Exception as e: print(name, 'refused')
tell('secret', lambda: open(${JSON.stringify(secret)}).read())
tell('home', lambda: os.listdir('/root'))
tell('write', lambda: open('/etc/keel-test', 'w'))
tell('network', lambda: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1))
tell('workspace', lambda: open(${JSON.stringify(join(settings.workspace, 'mine'))}, 'w').write('x'))
`,
  })
  const { stdout } = await tools.runScript(wanted(root, 'peek.py', { args: ['9'] }))
  expect(stdout).toContain('workspace 1')
  expect(stdout).toContain('network refused')
  if (kind === 'bubblewrap') {
    expect(stdout).toContain('secret refused')
    expect(stdout).toContain('write refused')
  }
})

test('the bash tool runs in the workspace, with its own time', async () => {
  const { run, settings } = await startTools()
  expect(await run('bash', { command: 'pwd; echo "a b" | wc -w' })).toMatchObject({
    status: 'success',
    output: expect.stringContaining(`${settings.workspace}`),
  })
  const slow = await run('bash', { command: 'sleep 30', timeout_seconds: 1 })
  expect(slow).toMatchObject({ status: 'error', output: expect.stringContaining('SCRIPT_TIMEOUT') })
  expect(await run('bash', { command: 'pwd', cwd: '../..' })).toMatchObject({ status: 'error' })
})

function pidIn(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return 0
  }
}
