import {
  chmodSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { countMessages } from '#kernel/store/messages.ts'
import { openStore } from '#kernel/store/store.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { keel } from '../support/cli-run.ts'
import { startDaemon } from '../support/daemon.ts'
import { filledHome } from '../support/filled-home.ts'
import { holdLock } from '../support/held-lock.ts'
import { runKeel } from '../support/run-keel.ts'

const pageBytes = 4_096
const unusable = 3

/** What a superuser may do although the mode of a file says no; without it the mode counts for root as well. */
const withoutOverride =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all'] : []

/** The start ends with code 3 and one sentence; `keel doctor` says the same thing. */
async function expectRefusal(home: string, what: RegExp, before: readonly string[] = []) {
  const start = await runKeel(['start'], { home, before })
  expect(start).toMatchObject({ code: unusable, sentences: [expect.stringMatching(what)] })
  const doctor =
    before.length > 0
      ? await runKeel(['doctor', '--json'], { home, before })
      : await keel(['doctor', '--json', '--home', home])
  expect(doctor.code).toBe(1)
  const { findings } = JSON.parse('stdout' in doctor ? doctor.stdout : doctor.output) as {
    findings: { check: string; status: string; message: string }[]
  }
  const broken = findings.filter(({ check, status }) => check === 'database' && status === 'broken')
  expect(broken).toEqual([expect.objectContaining({ message: expect.stringMatching(what), fix: expect.any(String) })])
}

/** A start on this home, and that all its messages are there. */
async function expectWhole(home: string, sessionId: string, messages: number) {
  const daemon = await startDaemon({ home })
  try {
    const listed = await daemon.client.sessions.listMessages({ params: { id: sessionId }, query: {} })
    expect(listed.total).toBe(messages)
  } finally {
    await daemon.stop('SIGKILL')
  }
}

function overwrite(file: string, at: number, bytes: number): void {
  const handle = openSync(file, 'r+')
  writeSync(handle, Buffer.alloc(bytes, 0xa5), 0, bytes, at)
}

/** Where the root page of this table or index lies in the file, in bytes. */
function rootOf(database: string, name: string): number {
  const db = new Database(database, { readonly: true })
  const { rootpage } = db.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').get(name) as { rootpage: number }
  db.close()
  return (rootpage - 1) * pageBytes
}

test('a read-only database is refused in one sentence, and used again when it can be written', {
  timeout: 60_000,
}, async () => {
  const { home, database, sessionId } = await filledHome(10)
  for (const [path, mode] of [
    [database, 0o400],
    [home, 0o500],
  ] as const) {
    chmodSync(path, mode)
    await expectRefusal(home, /can not be written: it is not writable/, withoutOverride)
    chmodSync(path, 0o700)
  }
  await expectWhole(home, sessionId, 10)
})

test('a database that another process has locked is refused after a while, and used once it is free', {
  timeout: 60_000,
}, async () => {
  const { home, database, sessionId } = await filledHome(10)
  const holder = await holdLock(database)
  await expectRefusal(home, /is locked by another process/)
  await holder.letGo()
  await expectWhole(home, sessionId, 10)
})

test('a newer build’s database is refused by naming that build, and not a byte of it is touched', async () => {
  const { home, database, sessionId } = await filledHome(10)
  const db = new Database(database)
  db.exec(`INSERT INTO schema_version VALUES (9990, 'from the future', '2030-01-01T00:00:00.000Z');
    UPDATE identity SET value = '99.1.0' WHERE key = 'build';`)
  // Killed builds leave a log behind, which the last to close a database would move into it.
  const files = [database, `${database}-wal`]
  for (const file of files) copyFileSync(file, `${file}.copy`)
  db.close()
  for (const file of files) copyFileSync(`${file}.copy`, file)
  const before = files.map((file) => readFileSync(file))

  await expectRefusal(home, /newer build of Keel: it has schema 9990, .* Start Keel 99\.1\.0 or a later one/)
  files.forEach((file, n) => {
    expect(readFileSync(file).equals(before[n] as Buffer)).toBe(true)
  })

  const again = new Database(database)
  again.exec('DELETE FROM schema_version WHERE version = 9990')
  again.close()
  await expectWhole(home, sessionId, 10)
  const used = new Database(database, { readonly: true })
  expect(used.prepare(`SELECT value FROM identity WHERE key = 'build'`).get()).toEqual({ value: packageJson.version })
  used.close()
})

const damages: [string, RegExp, (database: string) => void][] = [
  ['a table page', /keel\.db is damaged/, (file) => overwrite(file, rootOf(file, 'session_messages'), pageBytes)],
  ['an index page', /keel\.db is damaged/, (file) => overwrite(file, rootOf(file, 'session_messages_by_session'), 512)],
  ['the first page', /keel\.db is damaged/, (file) => overwrite(file, 100, 200)],
  ['a cut-off end', /keel\.db is damaged/, (file) => truncateSync(file, statSync(file).size - 10 * pageBytes)],
  [
    'another kind of file',
    /keel\.db is not a SQLite database/,
    (file) => writeFileSync(file, 'a poem\n'.repeat(2_000)),
  ],
]

test.each(damages)('damage is found at the start: %s', async (_, what, damage) => {
  const { home, database, sessionId } = await filledHome(400)
  copyFileSync(database, `${database}.backup`)
  damage(database)
  const damaged = readFileSync(database)
  await expectRefusal(home, what)
  expect(readFileSync(database).equals(damaged)).toBe(true)
  copyFileSync(`${database}.backup`, database)
  const store = openStore(database, { onFault: () => {} })
  onTestFinished(() => store.close())
  expect(countMessages(store.read, sessionId)).toBe(400)
})

test('a damaged log is refused, since what came after would be dropped without a word; the advice works', async () => {
  const { home, database, sessionId } = await filledHome(10)
  const daemon = await startDaemon({ home })
  onTestFinished(() => daemon.dispose())
  for (let n = 0; n < 8; n++)
    await daemon.client.sessions.appendMessage({ params: { id: sessionId }, body: { role: 'user', content: `m${n}` } })
  await daemon.stop('SIGKILL')
  const wal = `${database}-wal`
  overwrite(wal, Math.floor(statSync(wal).size / 2), 64)
  copyFileSync(wal, `${wal}.copy`)

  await expectRefusal(home, /keel\.db-wal is damaged after byte \d+ of \d+: what was stored last can not be read/)
  expect(readFileSync(wal).equals(readFileSync(`${wal}.copy`))).toBe(true)

  const { sentences } = await runKeel(['start'], { home })
  const [, bytes, file = ''] = /truncate -s (\d+) (\S+)$/.exec(sentences[0] ?? '') ?? []
  expect(existsSync(file)).toBe(true)
  truncateSync(file, Number(bytes))
  const again = await startDaemon({ home })
  onTestFinished(() => again.dispose())
  const { messages } = await again.client.sessions.listMessages({ params: { id: sessionId }, query: { limit: 100 } })
  const kept = messages.slice(10).map(({ content }) => content)
  expect(kept).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'].slice(0, kept.length))
})

test('what a kill leaves at the end of the log is no damage', async () => {
  const { home, database, sessionId } = await filledHome(10)
  const daemon = await startDaemon({ home })
  onTestFinished(() => daemon.dispose())
  await daemon.client.sessions.appendMessage({ params: { id: sessionId }, body: { role: 'user', content: 'last' } })
  await daemon.stop('SIGKILL')
  const wal = `${database}-wal`
  // The beginning of a transaction that was never finished.
  writeFileSync(wal, Buffer.concat([readFileSync(wal), readFileSync(wal).subarray(32, 32 + 4_000)]))
  await expectWhole(home, sessionId, 11)
})
