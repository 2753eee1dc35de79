import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startTools } from '../support/tools-service.ts'

const mebibyte = 1_048_576

async function otherFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keel-other-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('a file is written, added to, read, edited and listed', async () => {
  const { run } = await startTools()
  expect(await run('write_file', { path: 'a/b.txt', content: 'one ü' })).toEqual({
    status: 'success',
    output: 'Wrote 6 bytes to a/b.txt.',
  })
  expect(await run('write_file', { path: 'a/b.txt', content: '\none', append: true })).toEqual({
    status: 'success',
    output: 'Added 4 bytes to a/b.txt, which now has 10.',
  })
  const twice = await run('edit_file', { path: 'a/b.txt', old_text: 'one', new_text: 'two' })
  expect(twice).toMatchObject({ status: 'error', output: expect.stringContaining('2 times') })
  await run('edit_file', { path: 'a/b.txt', old_text: 'one', new_text: '$& two', replace_all: true })
  expect(await run('read_file', { path: 'a/b.txt' })).toEqual({ status: 'success', output: '$& two ü\n$& two' })
  const absent = await run('edit_file', { path: 'a/b.txt', old_text: 'three', new_text: '' })
  expect(absent).toMatchObject({ status: 'error', output: expect.stringContaining('does not contain old_text') })
  expect(await run('list_directory', {})).toEqual({ status: 'success', output: 'a/' })
  expect(await run('list_directory', { path: 'a' })).toEqual({ status: 'success', output: 'b.txt' })
})

test('of many edits at once none is lost', async () => {
  const { run, settings } = await startTools()
  const names = Array.from({ length: 20 }, (_, n) => `<${n}>`)
  await run('write_file', { path: 'list', content: names.join('') })
  await Promise.all(names.map((name) => run('edit_file', { path: 'list', old_text: name, new_text: 'done ' })))
  expect(await readFile(join(settings.workspace, 'list'), 'utf8')).toBe('done '.repeat(20))
})

test('what is no text or too large is refused, and the file stays as it was', async () => {
  const { run, settings } = await startTools()
  const inside = (name: string) => join(settings.workspace, name)
  await writeFile(inside('nul'), 'a\0b')
  await writeFile(inside('latin'), Buffer.from([0x61, 0xe4, 0x62]))
  await writeFile(inside('large'), 'x'.repeat(mebibyte + 1))
  await writeFile(inside('full'), 'x'.repeat(mebibyte))
  for (const path of ['nul', 'latin', 'large']) {
    expect((await run('read_file', { path })).status, path).toBe('error')
    expect((await run('edit_file', { path, old_text: 'a', new_text: 'b' })).status, path).toBe('error')
  }
  expect((await run('read_file', { path: 'full' })).status).toBe('success')
  for (const call of [
    run('write_file', { path: 'full', content: 'y', append: true }),
    run('edit_file', { path: 'full', old_text: 'x', new_text: 'yy', replace_all: true }),
    run('write_file', { path: 'full', content: 'ü'.repeat(mebibyte / 2 + 1) }),
  ]) {
    expect(await call).toMatchObject({ status: 'error', output: expect.stringContaining('at most 1048576') })
  }
  expect(await readFile(inside('full'), 'utf8')).toBe('x'.repeat(mebibyte))
})

test('nothing outside the workspace is touched, unless its folder is allowed', async () => {
  const outside = await otherFolder()
  await writeFile(join(outside, 'secret.txt'), 'secret')
  const { run, tools, settings } = await startTools()
  await symlink(outside, join(settings.workspace, 'link'))
  execFileSync('mkfifo', [join(settings.workspace, 'fifo')])
  for (const path of ['../x', join(outside, 'secret.txt'), 'link/secret.txt', 'link/new/file', 'fifo', 'a\0']) {
    for (const [name, input] of [
      ['read_file', { path }],
      ['write_file', { path, content: 'x' }],
      ['edit_file', { path, old_text: 's', new_text: 'x' }],
      ['list_directory', { path }],
      ['glob_files', { path, pattern: '**' }],
      ['search_files', { path, query: 'secret' }],
    ] as const) {
      const { status, output } = await run(name, input)
      expect(status, `${name} ${path}`).toBe('error')
      expect(output).not.toContain('reason that it did not expect')
    }
  }
  expect(await readdir(outside)).toEqual(['secret.txt'])
  expect(await readFile(join(outside, 'secret.txt'), 'utf8')).toBe('secret')
  await tools.configure({ ...settings, allowed_paths: [outside] })
  const allowed = await run('read_file', { path: join(outside, 'secret.txt') })
  expect(allowed).toEqual({ status: 'success', output: 'secret' })
})

test('protected files are neither read nor written nor shown', async () => {
  const { run, settings } = await startTools({ protected_patterns: ['.env', '.ssh/'] })
  await writeFile(join(settings.workspace, '.ENV'), 'KEY=needle')
  await mkdir(join(settings.workspace, '.ssh'))
  await writeFile(join(settings.workspace, '.ssh', 'id'), 'needle')
  await writeFile(join(settings.workspace, 'open.txt'), 'needle')
  for (const path of ['.ENV', '.env', '.ssh/id', '.ssh']) {
    const { status, output } = await run('read_file', { path })
    expect({ status, output }, path).toMatchObject({ status: 'error', output: expect.stringContaining('is protected') })
  }
  expect((await run('write_file', { path: '.env.local', content: 'x' })).status).toBe('error')
  const listed = await run('list_directory', {})
  expect(listed.output).toBe('open.txt\n(2 protected entries are not shown)')
  expect((await run('glob_files', { pattern: '**' })).output).toBe('open.txt')
  expect((await run('search_files', { query: 'needle' })).output).toBe('open.txt:1: needle')
})

test('a workspace that is gone is said, and is no fault', async () => {
  const { run, settings, log } = await startTools()
  await rm(settings.workspace, { recursive: true })
  const gone = await run('read_file', { path: 'a' })
  expect(gone).toMatchObject({ status: 'error', output: expect.stringContaining('There is no') })
  expect(log()).toBe('')
})
