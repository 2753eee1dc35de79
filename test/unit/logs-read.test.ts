import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readLog } from '#kernel/logs/read-log.ts'

function logDir(files: Record<string, string[]>): string {
  const dir = mkdtempSync(join(tmpdir(), 'keel-read-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  for (const [name, lines] of Object.entries(files))
    writeFileSync(join(dir, name), lines.map((text) => `${text}\n`).join(''))
  return dir
}

let clock = Date.UTC(2025, 0, 1)
function line(msg: string, level = 'info', fields: Record<string, unknown> = {}): string {
  clock += 1_000
  return JSON.stringify({ level, time: new Date(clock).toISOString(), target: 'kernel', ...fields, msg })
}

function messages(entries: { message: string }[]): string[] {
  return entries.map(({ message }) => message)
}

test('the newest entries come from as many files as it takes, oldest first', async () => {
  const dir = logDir({
    'keel.2025-01-01.1.log': [line('a'), line('b')],
    'keel.2025-01-01.2.log': [line('c')],
    'keel.2025-01-01.10.log': [line('d')],
    'keel.2025-01-02.1.log': [line('e'), line('f')],
    'other.log': [line('never')],
  })
  expect(messages(await readLog(dir, { lines: 3 }))).toEqual(['d', 'e', 'f'])
  expect(messages(await readLog(dir, { lines: 100 }))).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
})

test('what is asked for is looked for first and counted then', async () => {
  const quiet = Array.from({ length: 500 }, (_, i) => line(`quiet ${i}`))
  const dir = logDir({
    'keel.2025-01-01.1.log': [line('w1', 'warn'), line('w2', 'error'), line('w3', 'warn')],
    'keel.2025-01-02.1.log': [...quiet, line('w4', 'warn', { target: 'agent' }), line('Needle', 'info')],
  })
  expect(messages(await readLog(dir, { lines: 3, level: 'warn' }))).toEqual(['w2', 'w3', 'w4'])
  expect(messages(await readLog(dir, { lines: 3, target: 'agent' }))).toEqual(['w4'])
  expect(messages(await readLog(dir, { lines: 3, q: 'needle' }))).toEqual(['Needle'])
  const [since] = await readLog(dir, { lines: 2 })
  expect(messages(await readLog(dir, { lines: 100, since: since?.timestamp }))).toEqual(['w4', 'Needle'])
})

test("pino's numbers, broken lines, long lines and letters on a block's edge", async () => {
  const long = 'ä€😀'.repeat(30_000)
  const dir = logDir({
    'keel.2025-01-01.1.log': [
      JSON.stringify({ level: 50, time: 1_735_700_000_000, target: 'tools', msg: 'numbered', err: { message: 'why' } }),
      'not json',
      '{"level":"info"}',
      '[]',
      line(long),
      line('x'.repeat(1_200_000)),
      line('end'),
      '{"level":"info","ti',
    ],
  })
  const entries = await readLog(dir, { lines: 10 })
  expect(entries.map(({ message }) => message.length)).toEqual(['numbered: why'.length, long.length, 3])
  expect(entries[0]).toEqual({
    timestamp: '2025-01-01T02:53:20.000Z',
    level: 'error',
    message: 'numbered: why',
    target: 'tools',
  })
  expect(entries[1]?.message).toBe(long)
})

test('no folder, no file and a link to elsewhere are no entries', async () => {
  const dir = logDir({ 'keel.2025-01-01.1.log': [] })
  const outside = logDir({ 'keel.2025-01-01.1.log': [line('secret')] })
  symlinkSync(join(outside, 'keel.2025-01-01.1.log'), join(dir, 'keel.2025-01-03.1.log'))
  expect(await readLog(dir, { lines: 5 })).toEqual([])
  expect(await readLog(join(dir, 'absent'), { lines: 5 })).toEqual([])
})

test('a file without an end of line gives its last line too', async () => {
  const dir = logDir({})
  writeFileSync(join(dir, 'keel.2025-01-01.1.log'), `${line('one')}\n${line('two')}`)
  expect(messages(await readLog(dir, { lines: 5 }))).toEqual(['one', 'two'])
})
