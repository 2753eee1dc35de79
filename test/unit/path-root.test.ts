import { execFileSync } from 'node:child_process'
import { link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  listInside,
  makeParentInside,
  openInside,
  type RootRules,
  replaceInside,
  resolveInside,
} from '#sdk/path-root.ts'

let folder: string
let root: string
let outside: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keel-root-'))
  root = join(folder, 'workspace')
  outside = join(folder, 'outside')
  await mkdir(join(root, 'notes'), { recursive: true })
  await mkdir(outside)
  await writeFile(join(root, 'notes', 'a.txt'), 'inside')
  await writeFile(join(outside, 'secret.txt'), 'secret')
})

afterEach(() => rm(folder, { recursive: true, force: true }))

async function read(path: string, rules?: RootRules): Promise<string> {
  await using handle = await openInside(root, path, 'read', rules)
  return handle.readFile('utf8')
}

async function append(path: string, text: string): Promise<void> {
  await using handle = await openInside(root, path, 'append')
  await handle.writeFile(text)
}

test('reads, adds to, replaces and lists what is inside', async () => {
  expect(await read('notes/a.txt')).toBe('inside')
  expect(await read('./notes//a.txt')).toBe('inside')
  await expect(openInside(root, 'notes/a.txt', 'create')).rejects.toMatchObject({ kind: 'conflict' })
  await append('notes/a.txt', ' and more')
  expect(await read('notes/a.txt')).toBe('inside and more')
  await makeParentInside(root, 'new/deep/b.txt')
  await replaceInside(root, 'new/deep/b.txt', 'first')
  await replaceInside(root, 'new/deep/b.txt', 'second')
  expect(await read('new/deep/b.txt')).toBe('second')
  expect(await readdir(join(root, 'new/deep'))).toEqual(['b.txt'])
  expect((await listInside(root, '.')).entries.map(({ name }) => name).sort()).toEqual(['new', 'notes'])
})

test('replacing keeps the permissions of the file', async () => {
  const path = join(root, 'run.sh')
  await writeFile(path, '', { mode: 0o750 })
  await replaceInside(root, 'run.sh', 'echo')
  expect((await stat(path)).mode & 0o777).toBe(0o750)
})

test.each([
  ['../outside/secret.txt', 'forbidden'],
  ['notes/../../outside/secret.txt', 'forbidden'],
  ['notes\\..\\..\\outside', 'forbidden'],
  ['/etc/hosts', 'forbidden'],
  ['a\0b', 'invalid'],
  ['', 'invalid'],
  ['x'.repeat(4097), 'invalid'],
  ['x'.repeat(300), 'invalid'],
  ['notes', 'invalid'],
  ['notes/a.txt/b', 'invalid'],
  ['nowhere.txt', 'not_found'],
  ['no/where.txt', 'not_found'],
])('reading %j is %s', async (path, kind) => {
  await expect(read(path)).rejects.toMatchObject({ name: 'RuntimeError', kind })
})

test('an absolute path is allowed under an allowed folder only', async () => {
  expect(await read(join(outside, 'secret.txt'), { allowed: [outside] })).toBe('secret')
  await expect(read(join(outside, 'secret.txt'), { allowed: [join(folder, 'out')] })).rejects.toMatchObject({
    kind: 'forbidden',
  })
  await symlink(join(root, 'notes'), join(outside, 'link'))
  await expect(read(join(outside, 'link', 'a.txt'), { allowed: [outside] })).rejects.toMatchObject({
    kind: 'forbidden',
  })
})

test('a symlink out of the root is refused, for files, folders and what does not exist yet', async () => {
  await symlink(join(outside, 'secret.txt'), join(root, 'file-link'))
  await symlink(outside, join(root, 'folder-link'))
  await symlink(join(outside, 'new.txt'), join(root, 'dangling'))
  for (const path of [
    'file-link',
    'folder-link/secret.txt',
    'folder-link/new.txt',
    'folder-link/x/y',
    'dangling',
    'dangling/x',
  ]) {
    await expect(read(path), path).rejects.toMatchObject({ kind: 'forbidden' })
    await expect(append(path, 'x'), path).rejects.toMatchObject({ kind: 'forbidden' })
    await expect(replaceInside(root, path, 'x'), path).rejects.toMatchObject({ kind: 'forbidden' })
    await expect(makeParentInside(root, path), path).rejects.toMatchObject({ kind: 'forbidden' })
  }
  await expect(listInside(root, 'folder-link')).rejects.toMatchObject({ kind: 'forbidden' })
  expect(await readdir(outside)).toEqual(['secret.txt'])
  expect(await readFile(join(outside, 'secret.txt'), 'utf8')).toBe('secret')
})

test('a symlink that stays inside is followed; links in a circle are refused', async () => {
  await symlink('notes/a.txt', join(root, 'short'))
  expect(await read('short')).toBe('inside')
  await replaceInside(root, 'short', 'through the link')
  expect(await readFile(join(root, 'notes/a.txt'), 'utf8')).toBe('through the link')
  await symlink('circle', join(root, 'circle'))
  await expect(read('circle')).rejects.toMatchObject({ kind: 'forbidden' })
})

test('hard links, FIFOs and sockets are refused at once', async () => {
  await link(join(outside, 'secret.txt'), join(root, 'hard'))
  execFileSync('mkfifo', [join(root, 'fifo')])
  const server = createServer()
  await new Promise<void>((done) => server.listen(join(root, 'sock'), done))
  try {
    for (const path of ['hard', 'fifo', 'sock']) {
      await expect(read(path), path).rejects.toMatchObject({ kind: 'forbidden' })
      await expect(append(path, 'x'), path).rejects.toMatchObject({ kind: 'forbidden' })
      await expect(replaceInside(root, path, 'x'), path).rejects.toMatchObject({ kind: 'forbidden' })
    }
  } finally {
    await new Promise((done) => server.close(done))
  }
})

test('protected names are refused whatever their case, also behind a link', async () => {
  const rules = { protectedPatterns: ['.env', '.ssh/'] }
  await writeFile(join(root, '.Env'), 'KEY=1')
  await mkdir(join(root, '.ssh'))
  await symlink('.Env', join(root, 'innocent'))
  for (const path of ['.Env', '.ENV', 'innocent', '.ssh/id', '.ssh']) {
    await expect(resolveInside(root, path, rules), path).rejects.toMatchObject({ kind: 'forbidden' })
  }
  const { entries, hidden } = await listInside(root, '.', rules)
  expect(entries.map(({ name }) => name).sort()).toEqual(['innocent', 'notes'])
  expect(hidden).toBe(2)
})

test.runIf(process.platform === 'linux')(
  'a folder swapped for a link while files are written never leads outside',
  async () => {
    const target = join(root, 'swap')
    const parked = join(root, 'parked')
    await mkdir(target)
    let stop = false
    const swapping = (async () => {
      while (!stop) {
        await rename(target, parked)
        await symlink(outside, target)
        await rm(target)
        await rename(parked, target)
      }
    })()
    let refused = 0
    let written = 0
    try {
      for (let n = 0; n < 500; n++) {
        await replaceInside(root, `swap/f${n}`, 'x').then(
          () => written++,
          () => refused++,
        )
      }
    } finally {
      stop = true
      await swapping
    }
    expect(await readdir(outside)).toEqual(['secret.txt'])
    expect(refused).toBeGreaterThan(0)
    expect(written + refused).toBe(500)
  },
)

test.runIf(process.platform === 'linux')(
  'a folder swapped for a link while folders are made never leads outside',
  async () => {
    const target = join(root, 'swap')
    let stop = false
    let links = 0
    const swapping = (async () => {
      while (!stop) {
        await rm(target, { recursive: true, force: true }).catch(() => {})
        await symlink(outside, target).then(
          () => links++,
          () => {},
        )
      }
    })()
    let made = 0
    let refused = 0
    try {
      for (let n = 0; n < 2_000; n++) {
        await makeParentInside(root, `swap/${n}/deep/f`).then(
          () => made++,
          () => refused++,
        )
      }
    } finally {
      stop = true
      await swapping
    }
    expect(await readdir(outside)).toEqual(['secret.txt'])
    expect(links).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
    expect(made + refused).toBe(2_000)
  },
)
