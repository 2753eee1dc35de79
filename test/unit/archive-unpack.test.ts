import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pack } from '#kernel/archive/pack.ts'
import { unpack } from '#kernel/archive/unpack.ts'
import { unpackSkill } from '#kernel/skills/unpack-skill.ts'
import { type RawEntry, rawZip } from '../support/raw-zip.ts'
import { temporaryFolder } from '../support/temp-store.ts'

function place(entries: readonly RawEntry[] | Buffer) {
  const outer = temporaryFolder()
  const archive = join(outer, 'a.zip')
  writeFileSync(archive, Buffer.isBuffer(entries) ? entries : rawZip(entries))
  const folder = join(outer, 'in')
  mkdirSync(folder)
  return { outer, archive, folder }
}

test('what is packed comes out again, and is the same for the same contents', async () => {
  const files = new Map([
    ['b/deep.txt', Buffer.from('deep')],
    ['a.txt', Buffer.from('a')],
  ])
  const { outer, folder } = place([])
  const first = await pack(files, join(outer, 'one.zip'))
  const second = await pack(new Map([...files].reverse()), join(outer, 'two.zip'))
  expect(second).toBe(first)
  expect((await unpack(join(outer, 'one.zip'), folder)).sort()).toEqual(['a.txt', 'b/deep.txt'])
  expect(readFileSync(join(folder, 'b/deep.txt'), 'utf8')).toBe('deep')
})

const manyBytes = 33 * 1_048_576
test.each<[string, RawEntry[], string, string]>([
  ['a path that leads out', [{ name: '../evil.txt', content: 'x' }], 'invalid', ''],
  ['one that does so later', [{ name: 'a/../../evil.txt', content: 'x' }], 'invalid', ''],
  ['an absolute one', [{ name: '/tmp/evil.txt', content: 'x' }], 'invalid', ''],
  ['a drive', [{ name: 'C:/evil.txt', content: 'x' }], 'invalid', ''],
  ['backslashes', [{ name: '..\\evil.txt', content: 'x' }], 'invalid', ''],
  ['a symbolic link', [{ name: 'link', content: '/etc/passwd', mode: 0o120777 }], 'invalid', 'is a link'],
  ['a device', [{ name: 'null', mode: 0o020666 }], 'invalid', 'no ordinary file'],
  ['a pipe', [{ name: 'pipe', mode: 0o010666 }], 'invalid', 'no ordinary file'],
  [
    'one name twice',
    [
      { name: 'a', content: '1' },
      { name: 'A', content: '2' },
    ],
    'invalid',
    'there twice',
  ],
  ['folders too deep', [{ name: `${'a/'.repeat(12)}x` }], 'invalid', 'too deep'],
  [
    'too many entries',
    Array.from({ length: 5_001 }, (_, index) => ({ name: `f${index}` })),
    'too_large',
    '5000 entries',
  ],
  ['a bomb', [{ name: 'zeros', content: Buffer.alloc(20 * 1_048_576) }], 'too_large', 'unpacks to'],
  ['a large file', [{ name: 'large', content: Buffer.alloc(manyBytes) }], 'too_large', 'unpacks to'],
  [
    'a bomb that says it is small',
    [{ name: 'lie', content: Buffer.alloc(20 * 1_048_576), claimedBytes: 10 }],
    'invalid',
    '',
  ],
])('%s is refused, and nothing is outside the folder', async (_, entries, kind, told) => {
  const { archive, folder, outer } = place(entries)
  await expect(unpack(archive, folder)).rejects.toMatchObject({ kind, message: expect.stringContaining(told) })
  expect(readdirSync(outer).sort()).toEqual(['a.zip', 'in'])
  expect(existsSync('/tmp/evil.txt')).toBe(false)
})

test.each([
  ['nothing', Buffer.alloc(0)],
  ['no archive', Buffer.from('no archive at all')],
  ['half of one', rawZip([{ name: 'a', content: 'x'.repeat(1_000) }]).subarray(0, 60)],
])('%s is no archive', async (_, bytes) => {
  const { archive, folder } = place(bytes)
  await expect(unpack(archive, folder)).rejects.toMatchObject({ kind: 'invalid' })
})

test('a skill’s archive has its files in it, or one folder with them', async () => {
  const flat = place([
    { name: 'SKILL.md', content: 'x' },
    { name: 'scripts/a.sh', content: 'x' },
  ])
  const target = join(flat.outer, 'notes')
  await unpackSkill(flat.archive, target)
  expect(readdirSync(target).sort()).toEqual(['SKILL.md', 'scripts'])
  const nested = place([
    { name: 'notes-main/SKILL.md', content: 'x' },
    { name: 'notes-main/notes-main/a', content: 'x' },
  ])
  await unpackSkill(nested.archive, join(nested.outer, 'notes-main'))
  expect(readdirSync(join(nested.outer, 'notes-main')).sort()).toEqual(['SKILL.md', 'notes-main'])
  expect(readdirSync(nested.outer).sort()).toEqual(['a.zip', 'in', 'notes-main'])
})
