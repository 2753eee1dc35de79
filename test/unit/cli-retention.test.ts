import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { openStore } from '#kernel/store/store.ts'
import { fakeKeel, keel } from '../support/cli-run.ts'
import { tempHome } from '../support/temp-home.ts'

const run = {
  id: 'r',
  started_by: 'housekeeping',
  started_at: '2025-01-31T09:15:02.123Z',
  duration_ms: 2_000,
  removed: { cron_runs: 12, trash: 1 },
  freed_bytes: 3_145_728,
  file_bytes: 10_485_760,
  error: null,
}

test('it shows how long each kind is kept, what is empty, and the last runs', async () => {
  const { url } = await fakeKeel({
    'GET /api/retention': {
      kinds: [
        { kind: 'costs', about: 'What calls cost.', keep_days: 0 },
        { kind: 'trash', about: 'What was removed.', keep_days: 30 },
      ],
      running: false,
      database: { file_bytes: 10_485_760, free_bytes: 1_048_576, shrinks: false },
      runs: [run, { ...run, removed: {}, error: 'Keel is stopping' }],
    },
  })
  const { stdout, code } = await keel(['retention', '--url', url])
  expect(code).toBe(0)
  expect(stdout).toMatch(/costs +for ever +What calls cost\./)
  expect(stdout).toMatch(/trash +30 days +What was removed\./)
  expect(stdout).toContain('The database takes 10.0 MiB, of which 1.0 MiB are empty.')
  expect(stdout).toContain('keel stop && keel retention compact')
  expect(stdout).toContain('removed 12 cron_runs, 1 trash; 3.0 MiB are free again (2.0 s)')
  expect(stdout).toContain('nothing was old enough (2.0 s); ended early: Keel is stopping')
})

test('prune tells what went, or as JSON', async () => {
  const { url, calls } = await fakeKeel({ 'POST /api/retention/prune': run })
  expect((await keel(['retention', 'prune', '--url', url])).stdout).toContain('removed 12 cron_runs')
  expect(JSON.parse((await keel(['retention', 'prune', '--json', '--url', url])).stdout)).toEqual(run)
  expect(calls).toHaveLength(2)
})

test('a database that an older build made is written anew, and shrinks from then on', async () => {
  const home = tempHome()
  const old = new Database(home.database)
  old.exec(`CREATE TABLE ballast (text TEXT); INSERT INTO ballast VALUES (hex(zeroblob(1500000)))`)
  old.exec('DROP TABLE ballast')
  old.close()
  const shrinks = () => {
    const db = new Database(home.database, { readonly: true })
    const mode = db.pragma('auto_vacuum', { simple: true })
    db.close()
    return mode
  }
  openStore(home.database, { onFault: () => {} }).close()
  expect(shrinks()).toBe(0)
  const { stdout, code } = await keel(['retention', 'compact', '--json', '--home', home.root])
  expect(code).toBe(0)
  const { before_bytes, after_bytes } = JSON.parse(stdout)
  expect(before_bytes).toBeGreaterThan(3_000_000)
  expect(after_bytes).toBeLessThan(1_000_000)
  expect(shrinks()).toBe(2)
})
