import { statSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { temporaryStore } from '../support/temp-store.ts'

const everyMs = 5
const rowsAtOnce = 10
const text = 'x'.repeat(2_000)

test('under writes without a pause the log is begun anew again and again, and every row is there', async () => {
  const { store, path } = temporaryStore()
  store.write.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)')
  const insert = store.write.prepare('INSERT INTO notes (text) VALUES (?)')
  let written = 0
  const writing = setInterval(() => {
    for (let n = 0; n < rowsAtOnce; n++) written += insert.run(text).changes
  }, everyMs)
  onTestFinished(() => clearInterval(writing))

  let cuts = 0
  let size = 0
  await eventually(
    'the log is cut off three times',
    () => {
      const now = statSync(`${path}-wal`).size
      if (now < size) cuts += 1
      size = now
      return cuts === 3
    },
    15_000,
  )
  clearInterval(writing)
  expect(store.fault).toBeUndefined()
  expect(store.read.prepare('SELECT count(*) AS n FROM notes WHERE length(text) = ?').get(text.length)).toEqual({
    n: written,
  })
})
