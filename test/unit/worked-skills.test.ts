import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { pack } from '#kernel/archive/pack.ts'
import { readSkill } from '#kernel/skills/read-skill.ts'
import { scriptAnswer } from '#sdk/script-words.ts'
import { startTools } from '../support/tools-service.ts'

const folder = fileURLToPath(new URL('../../skills/', import.meta.url))
const names = readdirSync(folder)

test.each(names)('%s is what a strict reader wants', async (name) => {
  const skill = await readSkill(join(folder, name))
  expect(skill.findings).toEqual([])
  expect(skill).toMatchObject({ name, version: '1.0.0', author: 'keel' })
  // What its text names is there.
  const mentioned = [...skill.body.matchAll(new RegExp(`${name}/(scripts/[\\w.-]+)|"file": "([\\w./-]+)"`, 'g'))]
  for (const [, script, file] of mentioned) expect(skill.files.map(({ path }) => path)).toContain(script ?? file)
})

/** A run as the agent's, in the walls that this machine has. */
async function run(path: string, { args = [], stdin = '' }: { args?: string[]; stdin?: string } = {}) {
  const { tools, settings } = await startTools()
  const [skill = '', ...rest] = path.split('/')
  // Not all machines let a script see where this repository lies.
  const root = join(settings.workspace, skill)
  cpSync(join(folder, skill), root, { recursive: true })
  const outcome = await tools.runScript({
    root,
    script: rest.join('/'),
    sha256: null,
    args: args.map((arg) => arg.replace('$WORKSPACE', settings.workspace)),
    stdin,
    env: {},
    timeout_ms: null,
    network: false,
  })
  return { ...scriptAnswer(outcome), code: outcome.exit_code, workspace: settings.workspace }
}

test('csv-report profiles a table', async () => {
  const table = 'name;age;city\nAnn;31;Oslo\nBob;;Oslo\nCy;45.5;Rome\n'
  const { output, status } = await run('csv-report/scripts/profile.py', { stdin: table })
  expect(status).toBe('success')
  expect(output).toContain('3 rows, 3 columns')
  expect(output).toContain('- age: number, 1 missing, 2 distinct, 31 to 45.5, mean 38.25')
  expect(output).toContain('- city: text, 0 missing, 2 distinct; Oslo (2), Rome (1)')
  const json = await run('csv-report/scripts/profile.py', { stdin: '1,2\n3\n', args: ['--json', '--no-header'] })
  expect(JSON.parse(json.output)).toMatchObject({
    rows: 2,
    uneven_rows: 1,
    columns: [{ name: 'column 1', type: 'integer' }, {}],
  })
  expect(await run('csv-report/scripts/profile.py', { stdin: ' \n' })).toMatchObject({
    status: 'error',
    output: expect.stringContaining('The table is empty.'),
  })
})

test('log-triage groups lines of one shape, the worst first', async () => {
  const log = [
    '2026-01-01T10:00:00Z INFO request 17 took 20 ms',
    '2026-01-01T10:00:01Z INFO request 18 took 31 ms',
    '2026-01-01T10:00:02Z ERROR no route to 10.0.0.7:80',
    '{"level":"warn","time":"2026-01-01T10:00:03Z","msg":"disk 91 % full"}',
  ].join('\n')
  const { output } = await run('log-triage/scripts/group.mjs', { stdin: log })
  const [head, first, second, third] = output.split('\n')
  expect(head).toBe('4 lines in 3 shapes')
  expect(first).toMatch(/^error ×1 \[2026-01-01T10:00:02Z\] .*no route/)
  expect(second).toMatch(/^warn ×1 .*disk 91/)
  expect(third).toMatch(/^info ×2 \[2026-01-01T10:00:00Z … 2026-01-01T10:00:01Z\]/)
  const odd = await run('log-triage/scripts/group.mjs', { stdin: log, args: ['--level', 'loud'] })
  expect(odd).toMatchObject({ status: 'error', code: 2, output: expect.stringContaining('--level') })
})

test('git-changelog groups commits by area, and takes nothing from the repository but its history', async () => {
  const repository = mkdtempSync(join(tmpdir(), 'keel-repo-'))
  onTestFinished(() => rmSync(repository, { recursive: true, force: true }))
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', repository, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', ...args])
  git('init', '-q')
  for (const title of ['first', 'cli: one more command', 'kernel: faster', 'cli: a clearer error'])
    git('commit', '-q', '--allow-empty', '-m', title)
  git('tag', 'v1', 'HEAD~3')
  const { tools, settings } = await startTools()
  const root = join(settings.workspace, 'git-changelog')
  cpSync(join(folder, 'git-changelog'), root, { recursive: true })
  const seen = join(settings.workspace, 'repository')
  cpSync(repository, seen, { recursive: true })
  const wanted = {
    root,
    script: 'scripts/commits.sh',
    sha256: null,
    stdin: '',
    env: {},
    timeout_ms: null,
    network: false,
  }
  const { stdout } = await tools.runScript({ ...wanted, args: [seen] })
  expect(stdout).toContain('# v1 to HEAD')
  expect(stdout).toMatch(/## cli\n- a clearer error \(\w+, Ann, .*\)\n- one more command/)
  expect(stdout).toContain('## kernel\n- faster')
  expect(await tools.runScript({ ...wanted, args: [seen, 'v9'] })).toMatchObject({
    exit_code: 1,
    stderr: expect.stringContaining('no reference v9'),
  })
  expect(await tools.runScript({ ...wanted, args: [] })).toMatchObject({ exit_code: 2 })
})

test('backup-check reads archives to the end', async () => {
  const { tools, settings } = await startTools()
  const root = join(settings.workspace, 'backup-check')
  cpSync(join(folder, 'backup-check'), root, { recursive: true })
  const backups = join(settings.workspace, 'backups')
  mkdirSync(backups)
  await pack(new Map([['a.txt', Buffer.alloc(20_000, 'x')]]), join(backups, 'monday.zip'))
  const wanted = {
    root,
    script: 'scripts/check.py',
    sha256: null,
    stdin: '',
    env: {},
    timeout_ms: null,
    network: false,
  }
  expect(await tools.runScript({ ...wanted, args: [backups] })).toMatchObject({
    exit_code: 0,
    stdout: expect.stringContaining('1 archives, 0 with problems'),
  })
  writeFileSync(join(backups, 'tuesday.tar.gz'), 'no archive')
  utimesSync(join(backups, 'monday.zip'), 1, 1)
  const bad = await tools.runScript({ ...wanted, args: [backups] })
  expect(bad.exit_code).toBe(1)
  expect(bad.stdout).toMatch(/tuesday.tar.gz: .*it can not be read/)
  expect(await tools.runScript({ ...wanted, args: ['/nowhere'] })).toMatchObject({
    exit_code: 1,
    stderr: expect.stringContaining('no folder'),
  })
})
