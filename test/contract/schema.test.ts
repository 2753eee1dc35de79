import { test } from 'vitest'
import { sql } from '#kernel/store/database.ts'
import { expectGolden } from '../support/golden.ts'
import { temporaryStore } from '../support/temp-store.ts'

test('the schema of a fresh database is the one on record', async () => {
  const { store } = temporaryStore()
  const rows = sql(
    store.read,
    `SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type, name`,
  ).all() as { type: string; name: string; sql: string }[]
  const text = rows.map(({ type, name, sql }) => `-- ${type} ${name}\n${sql.replace(/\n\s*/g, '\n  ')};\n`).join('\n')
  await expectGolden('schema.sql', text)
})
