import { link, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTools } from '../support/tools-service.ts'

async function withFiles(files: Record<string, string>) {
  const service = await startTools()
  for (const [path, content] of Object.entries(files)) {
    const full = join(service.settings.workspace, path)
    await mkdir(join(full, '..'), { recursive: true })
    await writeFile(full, content)
  }
  return service
}

test('globs find files by their path below the folder, in order, and say what they leave out', async () => {
  const { run } = await withFiles({
    'b.ts': '',
    'a.ts': '',
    'src/c.ts': '',
    'src/deep/d.js': '',
    'node_modules/x.ts': '',
    '.git/y.ts': '',
  })
  const all = await run('glob_files', { pattern: '**/*.{ts,js}' })
  expect(all).toEqual({ status: 'success', output: 'a.ts\nb.ts\nsrc/c.ts\nsrc/deep/d.js' })
  expect((await run('glob_files', { pattern: '*.ts', path: 'src' })).output).toBe('src/c.ts')
  expect((await run('glob_files', { pattern: '**', limit: 1 })).output).toBe('a.ts\n(3 more files match)')
  expect((await run('glob_files', { pattern: '*.py' })).output).toBe('No file matches.')
  expect(await run('glob_files', { pattern: '*', path: 'nowhere' })).toMatchObject({ status: 'error' })
  expect(await run('glob_files', { pattern: '{a,b}'.repeat(20) })).toMatchObject({
    status: 'error',
    output: expect.stringContaining('alternatives'),
  })
})

test('searches find lines, with or without case, up to their limit', async () => {
  const { run } = await withFiles({ 'a.txt': 'one\r\nTwo needle\nthree', 'sub/b.txt': 'NEEDLE', 'c.bin': '\0needle' })
  expect(await run('search_files', { query: 'needle' })).toEqual({
    status: 'success',
    output: 'a.txt:2: Two needle\nsub/b.txt:1: NEEDLE',
  })
  expect((await run('search_files', { query: 'NEEDLE', case_sensitive: true })).output).toBe('sub/b.txt:1: NEEDLE')
  expect((await run('search_files', { query: 'needle', limit: 1 })).output).toBe(
    'a.txt:2: Two needle\n(there are more; only the first 1 are shown)',
  )
  expect((await run('search_files', { query: '.*' })).output).toBe('No line contains the text.')
})

test('a search that had to leave out files is a partial success', async () => {
  const { run, settings } = await withFiles({ 'a.txt': 'needle', 'large.txt': 'x'.repeat(1_048_577), 'b.txt': 'x' })
  await link(join(settings.workspace, 'b.txt'), join(settings.workspace, 'c.txt'))
  await symlink('/etc', join(settings.workspace, 'etc'))
  expect(await run('search_files', { query: 'needle' })).toEqual({
    status: 'partial_success',
    output: 'a.txt:1: needle\n(3 files could not be read or are larger than 1 MiB)',
  })
})

test('a walk ends at 5,000 files and says so', async () => {
  const { run, settings } = await startTools()
  const names = Array.from({ length: 5_001 }, (_, n) => join(settings.workspace, `f${n}`))
  await Promise.all(names.map((name) => writeFile(name, '')))
  const { status, output } = await run('glob_files', { pattern: 'f1?' })
  expect(status).toBe('partial_success')
  expect(output).toContain('f10\nf11\n')
  expect(output).toContain('(only the first 5000 files were looked at)')
})
