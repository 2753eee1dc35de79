import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { homePaths } from '#kernel/home.ts'
import { backUp } from '#kernel/scheduler/actions/backup.ts'
import { openReadable } from '#kernel/store/database.ts'
import { temporaryFolder, temporaryStore } from '../support/temp-store.ts'

const copyName = /^keel-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.db$/

function scene() {
  const { store } = temporaryStore()
  const home = homePaths(temporaryFolder())
  store.write.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)')
  const note = (text: string) => store.write.prepare('INSERT INTO notes (text) VALUES (?)').run(text)
  const textsIn = (name: string) => {
    const copy = openReadable(join(home.backups, name))
    try {
      return copy.prepare('SELECT text FROM notes ORDER BY id').pluck().all()
    } finally {
      copy.close()
    }
  }
  const run = (keep = 7) => backUp({ keep }, { store, home })
  return { store, home, note, textsIn, run, names: () => readdirSync(home.backups).sort() }
}

test('a copy holds every row of its moment, is its owner’s alone, and leaves nothing beside it', async () => {
  const { home, note, textsIn, run, names, store } = scene()
  for (let n = 0; n < 2_000; n++) note(`note ${n}`)
  const told = await run()
  note('afterwards')
  const [name = '', ...rest] = names()
  expect(name).toMatch(copyName)
  expect(rest).toEqual([])
  expect(told).toBe(
    `${name} (${(statSync(join(home.backups, name)).size / 1_048_576).toFixed(1)} MiB) is in ${home.backups}.`,
  )
  expect(textsIn(name)).toEqual(Array.from({ length: 2_000 }, (_, n) => `note ${n}`))
  expect(statSync(join(home.backups, name)).mode & 0o777).toBe(0o600)
  expect(statSync(home.backups).mode & 0o777).toBe(0o700)
  expect(store.fault).toBeUndefined()
})

test('the newest copies stay, and no file of another name is touched', async () => {
  const { home, note, textsIn, run, names } = scene()
  mkdirSync(home.backups)
  const old = ['2020-01-01T00-00-00.000Z', '2021-01-01T00-00-00.000Z', '2022-01-01T00-00-00.000Z'].map(
    (time) => `keel-${time}.db`,
  )
  const others = [
    'keel-2019.db',
    'notes.db',
    'keel-2019-01-01T00-00-00.000Z.db.gz',
    'my-keel-2019-01-01T00-00-00.000Z.db',
  ]
  for (const name of [...old, ...others]) writeFileSync(join(home.backups, name), name)
  mkdirSync(join(home.backups, 'keel-2018-01-01T00-00-00.000Z.db'))
  const outside = join(home.root, 'outside.db')
  writeFileSync(outside, 'mine')
  symlinkSync(outside, join(home.backups, 'keel-2017-01-01T00-00-00.000Z.db'))
  note('kept')
  expect(await run(2)).toMatch(/; older ones removed: 2\.$/)
  const left = names().filter((name) => copyName.test(name) && statSync(join(home.backups, name)).isFile())
  expect(left).toHaveLength(3)
  expect(left).toContain(old[2])
  expect(names()).toEqual(expect.arrayContaining([...others, 'keel-2018-01-01T00-00-00.000Z.db']))
  expect(readFileSync(outside, 'utf8')).toBe('mine')
  expect(textsIn(left.at(-1) ?? '')).toEqual(['kept'])
})

test('the copy just made stays, even where older ones have later names', async () => {
  const { home, note, textsIn, run, names } = scene()
  mkdirSync(home.backups)
  for (const year of [3001, 3002])
    writeFileSync(join(home.backups, `keel-${year}-01-01T00-00-00.000Z.db`), 'of a clock that was wrong')
  note('now')
  await run(1)
  expect(names()).toHaveLength(1)
  expect(textsIn(names()[0] ?? '')).toEqual(['now'])
})

test('what a kernel that died left half-written is removed, and what another is writing is not', async () => {
  const { home, run, names } = scene()
  mkdirSync(home.backups)
  const [left, young] = ['.keel-2020-01-01T00-00-00.000Z.db.part', '.keel-2021-01-01T00-00-00.000Z.db.part']
  for (const name of [left, young]) writeFileSync(join(home.backups, name), 'half')
  utimesSync(join(home.backups, left), 1, 1)
  await run()
  expect(names()).toEqual([young, expect.stringMatching(copyName)])
})

test('a folder that is a link or a file is refused, and nothing is put where it leads', async () => {
  const { home, run } = scene()
  const elsewhere = temporaryFolder()
  symlinkSync(elsewhere, home.backups)
  await expect(run()).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining(home.backups) })
  expect(readdirSync(elsewhere)).toEqual([])
  const file = homePaths(temporaryFolder())
  writeFileSync(file.backups, '')
  await expect(backUp({ keep: 1 }, { store: scene().store, home: file })).rejects.toMatchObject({ kind: 'conflict' })
})

test('a folder that can not be made is told, with the reason', async () => {
  const { store } = scene()
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, '')
  await expect(backUp({ keep: 1 }, { store, home: homePaths(file) })).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/^The database could not be backed up: ENOTDIR/),
  })
})

test('a copy that the disk does not take is an error of the copy, and the database goes on', async () => {
  const { store, note } = scene()
  note('before')
  for (const target of ['/dev/full', join(temporaryFolder(), 'absent', 'copy.db')])
    await expect(store.pool.copyTo(target)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/^The database could not be copied: ./),
    })
  expect(store.fault).toBeUndefined()
  expect(note('after').changes).toBe(1)
})

test('a failing copy takes its half-written file along and leaves the older ones', async () => {
  const { home, names } = scene()
  mkdirSync(home.backups)
  writeFileSync(join(home.backups, 'keel-2020-01-01T00-00-00.000Z.db'), 'older')
  const copyTo = async (target: string) => {
    writeFileSync(target, 'half')
    throw new Error('the disk failed')
  }
  await expect(backUp({ keep: 1 }, { store: { pool: { copyTo } }, home })).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'The database could not be backed up: the disk failed',
  })
  expect(names()).toEqual(['keel-2020-01-01T00-00-00.000Z.db'])
})
