import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ZipFile } from 'yazl'
import { pack } from '#kernel/archive/pack.ts'
import { unpack } from '#kernel/archive/unpack.ts'

function scene() {
  const folder = mkdtempSync(join(tmpdir(), 'keel-archive-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [archive, target] = [join(folder, 'a.zip'), join(folder, 'inner', 'target')]
  mkdirSync(target, { recursive: true })
  return { folder, archive, target }
}

interface Put {
  path: string
  bytes?: Buffer | string
  mode?: number
}

/** Names that the writer would refuse are put in afterwards, in each place where the archive says them. */
async function write(archive: string, entries: readonly Put[], rename: readonly (readonly [string, string])[] = []) {
  const zip = new ZipFile()
  for (const { path, bytes = '', mode = 0o100644 } of entries) zip.addBuffer(Buffer.from(bytes), path, { mode })
  zip.end()
  await pipeline(zip.outputStream, createWriteStream(archive))
  let text = readFileSync(archive).toString('latin1')
  for (const [from, to] of rename) {
    expect(to).toHaveLength(from.length)
    text = text.replaceAll(from, to)
  }
  writeFileSync(archive, Buffer.from(text, 'latin1'))
}

test('what was packed comes out as it was, and packs the same again', async () => {
  const { archive, folder, target } = scene()
  const files = new Map([
    ['b/deep/er.txt', Buffer.from('b')],
    ['a.txt', Buffer.from('ü'.repeat(10_000))],
  ])
  const digest = await pack(files, archive)
  expect(await pack(new Map([...files].reverse()), join(folder, 'again.zip'))).toBe(digest)
  expect((await unpack(archive, target)).sort()).toEqual(['a.txt', 'b/deep/er.txt'])
  for (const [path, bytes] of files) expect(readFileSync(join(target, path)).equals(bytes)).toBe(true)
})

test.each([
  ['zz/zz/zz/evil.txt', '../../../evil.txt'],
  ['zevil.txt', '/evil.txt'],
  ['zzzevil.txt', 'C:\\evil.txt'],
  ['zzxevil.txt', 'C:/evil.txt'],
  ['a/zz/zz/evil.txt', 'a/../../evil.txt'],
  ['zzzevil.txt', '..\\evil.txt'],
])('%# the entry %s called %s is refused, and nothing is outside', async (path, called) => {
  const { archive, folder, target } = scene()
  await write(archive, [{ path }], [[path, called]])
  await expect(unpack(archive, target)).rejects.toMatchObject({ kind: 'invalid' })
  expect(readdirSync(folder).sort()).toEqual(['a.zip', 'inner'])
  expect(readdirSync(join(folder, 'inner'))).toEqual(['target'])
  expect(existsSync('/evil.txt')).toBe(false)
})

test.each([
  ['a symbolic link', 0o120777],
  ['a device', 0o020644],
  ['a pipe', 0o010644],
])('%s is refused', async (_, mode) => {
  const { archive, target } = scene()
  await write(archive, [{ path: 'way', bytes: '/etc', mode }])
  await expect(unpack(archive, target)).rejects.toThrow('"way" is a link or no ordinary file')
})

test('two entries of one name are refused, in whatever case', async () => {
  const { archive, target } = scene()
  await write(archive, [{ path: 'Plugin.js' }, { path: 'plugin.js' }])
  await expect(unpack(archive, target)).rejects.toThrow('is there twice')
})

test('a bomb is refused by what it says and by what it does', async () => {
  const { archive, target } = scene()
  await write(archive, [{ path: 'bomb', bytes: Buffer.alloc(16 * 1_048_576) }])
  await expect(unpack(archive, target)).rejects.toMatchObject({ kind: 'too_large' })
  // Its directory says that it is small.
  const bytes = readFileSync(archive)
  const directory = bytes.lastIndexOf(Buffer.from('PK\u0001\u0002'))
  bytes.writeUInt32LE(1_000, directory + 24)
  writeFileSync(archive, bytes)
  await expect(unpack(archive, target)).rejects.toThrow()
  expect(existsSync(join(target, 'bomb')) && readFileSync(join(target, 'bomb')).length > 2 * 1_048_576).toBe(false)
})

test('too many entries, or folders too deep, are refused', async () => {
  const { archive, target } = scene()
  await write(
    archive,
    Array.from({ length: 5_001 }, (_, n) => ({ path: `f${n}` })),
  )
  await expect(unpack(archive, target)).rejects.toThrow('more than 5000 entries')
  await write(archive, [{ path: `${'a/'.repeat(12)}b` }])
  await expect(unpack(archive, target)).rejects.toThrow('too deep')
})

test.each(['', 'PK', 'not a zip at all', `PK\u0005\u0006${'\0'.repeat(18)}x`])('%j is no archive', async (text) => {
  const { archive, target } = scene()
  writeFileSync(archive, text)
  await expect(unpack(archive, target)).rejects.toMatchObject({ kind: 'invalid' })
})
