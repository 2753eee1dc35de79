import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { localDay, logFileName } from '#kernel/logs/log-files.ts'
import { type LogOptions, openLogger } from '#kernel/logs/logger.ts'
import { pruneLogs } from '#kernel/logs/prune-logs.ts'
import { RollingFile } from '#kernel/logs/rolling-file.ts'
import { logServiceLine } from '#kernel/logs/service-line.ts'
import { terminalLine, terminalText } from '#kernel/logs/terminal-text.ts'

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keel-logs-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

function capture(isTTY: boolean) {
  const written: string[] = []
  const faults: (() => void)[] = []
  return {
    written,
    breakPipe: () => {
      for (const fault of faults) fault()
    },
    terminal: {
      isTTY,
      write: (text: string) => written.push(text) > 0,
      on(_event: string, listener: () => void) {
        faults.push(listener)
        return this
      },
    } as unknown as NonNullable<LogOptions['terminal']>,
  }
}

async function openTestLog(options: Partial<LogOptions> = {}) {
  const log = await openLogger({ dir: null, level: 'info', maxDays: 7, terminal: null, env: {}, ...options })
  onTestFinished(() => log.close())
  return log
}

test('an entry is one JSON line on stderr and in a private file', async () => {
  const dir = tempDir()
  const { terminal, written } = capture(false)
  const { log, flush } = await openTestLog({ dir, terminal })
  log.info({ turn_id: 't1' }, 'turn finished')
  log.debug('not wanted')
  await flush()
  const [name = ''] = readdirSync(dir)
  expect(name).toMatch(/^keel\.\d{4}-\d{2}-\d{2}\.1\.log$/)
  expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(dir, name), 'utf8')).toBe(written.join(''))
  expect(written).toHaveLength(1)
  expect(JSON.parse(written[0] ?? '')).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/),
    target: 'kernel',
    turn_id: 't1',
    msg: 'turn finished',
  })
})

test('secrets do not reach a line, and a line stays a line', async () => {
  const { terminal, written } = capture(false)
  const { log } = await openTestLog({ terminal })
  log.info({ header: 'Bearer abcdef.123456' }, 'key sk-proj-abcdef0123456789')
  log.info({ after: 'kept' }, '-----BEGIN PRIVATE KEY-----\nMIIEsecretbytes')
  log.info('first\r\n{"level":"error","msg":"forged"}')
  log.error({ err: new Error('ghp_0123456789abcdefABCD refused') }, 'failed')
  const all = written.join('')
  expect(all).not.toMatch(/abcdef\.123456|proj-abcdef|MIIEsecret|0123456789abcdefABCD/)
  expect(written).toHaveLength(4)
  expect(
    all
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).msg),
  ).toEqual(['key sk-***', '***private key***', 'first\r\n{"level":"error","msg":"forged"}', 'failed'])
  expect(JSON.parse(written[1] ?? '')).toMatchObject({ after: 'kept' })
})

test('a terminal gets one readable line that can not move its cursor', async () => {
  const { terminal, written } = capture(true)
  const { log } = await openTestLog({ terminal, env: { NO_COLOR: '1' } })
  log.warn({ target: 'agent' }, 'one\ntwo \u001b[2J\u001b]0;title\u0007 \u202eend')
  log.error({ err: new Error('\u001b[8mhidden\u009b2J'), field: '\u001b[1Aup' }, 'failed')
  expect(written.pop()).toMatch(/ERROR: failed.*"field":"up"[\s\S]*hidden/)
  expect(written.join('')).not.toContain('\u001b')
  expect(written).toEqual([expect.stringMatching(/^\[\d\d:\d\d:\d\d\] WARN: agent: one⏎two {2}end\n$/)])
  expect(terminalText('a\tb\nc\u0007\u009b31m')).toBe('a\tb\nc')
  expect(terminalLine('a\r\nb\rc')).toBe('a⏎b⏎c')
})

test('a broken pipe ends the writing to it and nothing else', async () => {
  const { terminal, written, breakPipe } = capture(false)
  const { log } = await openTestLog({ terminal })
  log.info('one')
  breakPipe()
  log.info('two')
  expect(written).toHaveLength(1)
})

test("a service's lines keep their level and fields and always bear its name", async () => {
  const { terminal, written } = capture(false)
  const { log } = await openTestLog({ terminal })
  logServiceLine(
    log,
    'agent',
    '{"level":40,"time":1,"pid":7,"target":"kernel","msg":"slow %s","turn_id":"t"}',
    'stdout',
  )
  logServiceLine(log, 'agent', 'plain words', 'stdout')
  logServiceLine(log, 'agent', 'Trace: %d', 'stderr')
  logServiceLine(log, 'agent', '{"not":"a record"}', 'stdout')
  logServiceLine(log, 'agent', `x${'y'.repeat(20_000)}`, 'stdout')
  logServiceLine(log, 'agent', '  ', 'stdout')
  const entries = written.map((line) => JSON.parse(line))
  expect(entries.map(({ level, target, msg }) => [level, target, msg.slice(0, 20)])).toEqual([
    ['warn', 'agent', 'slow %s'],
    ['info', 'agent', 'plain words'],
    ['warn', 'agent', 'Trace: %d'],
    ['info', 'agent', '{"not":"a record"}'],
    ['info', 'agent', 'xyyyyyyyyyyyyyyyyyyy'],
  ])
  expect(entries[0]).toMatchObject({ turn_id: 't' })
  expect(entries[0]).not.toHaveProperty('pid')
  expect(entries[4].msg.length).toBeLessThan(17_000)
})

test('followers get what they asked for, from the call on, until they leave or the log closes', async () => {
  const opened = await openTestLog({ level: 'trace' })
  const { log, feed } = opened
  const leaving = new AbortController()
  const warnings = feed.follow({ level: 'warn' }, leaving.signal)
  const all = feed.follow({}, new AbortController().signal)
  log.info('quiet')
  log.error({ target: 'agent', err: new Error('because') }, 'loud')
  expect((await warnings.next()).value).toMatchObject({ level: 'error', message: 'loud: because', target: 'agent' })
  const next = warnings.next()
  leaving.abort()
  expect((await next).done).toBe(true)
  expect((await all.next()).value).toMatchObject({ message: 'quiet' })
  await opened.close()
  expect((await all.next()).value).toMatchObject({ message: 'loud: because' })
  expect((await all.next()).done).toBe(true)
})

test('a follower that is too slow is told what it missed', async () => {
  const { log, feed } = await openTestLog()
  const entries = feed.follow({}, new AbortController().signal)
  for (let i = 0; i < 1_005; i++) log.info(`entry ${i}`)
  expect((await entries.next()).value).toMatchObject({ level: 'warn', message: '5 entries were left out' })
  expect((await entries.next()).value).toMatchObject({ message: 'entry 5' })
  await entries.return()
})

test('the level can change while it runs', async () => {
  const { terminal, written } = capture(false)
  const { log, setLevel } = await openTestLog({ terminal })
  log.debug('no')
  setLevel('debug')
  log.debug('yes')
  expect(written.map((line) => JSON.parse(line).msg)).toEqual(['yes'])
})

test('files of days long past are deleted, others are left alone', async () => {
  const dir = tempDir()
  const names = [
    'keel.2025-01-01.1.log',
    'keel.2025-01-09.1.log',
    'keel.2025-01-10.3.log',
    'notes.2025-01-01.1.log',
    'keel.log',
  ]
  for (const name of names) writeFileSync(join(dir, name), '')
  await pruneLogs(dir, 3, new Date(2025, 0, 12, 15).getTime())
  expect(readdirSync(dir).sort()).toEqual(names.slice(1).sort())
  await pruneLogs(join(dir, 'absent'), 3)
})

test('a file that is full, or of another day, is followed by the next, and a new start goes on with the newest', async () => {
  const dir = tempDir()
  const events = { onError: (error: Error) => expect.fail(error.message), onRoll: () => {} }
  const first = await RollingFile.open(dir, events)
  const mebibyte = `${'x'.repeat(1024 * 1024 - 1)}\n`
  for (let n = 0; n < 17; n++) {
    first.write(mebibyte)
    await first.flush()
  }
  await first.close()
  const day = localDay()
  expect(readdirSync(dir).sort()).toEqual([logFileName(day, 1), logFileName(day, 2)])
  expect(statSync(join(dir, logFileName(day, 1))).size).toBe(16 * 1024 * 1024)

  const second = await RollingFile.open(dir, events)
  second.write('once more\n')
  await second.close()
  expect(statSync(join(dir, logFileName(day, 2))).size).toBe(1024 * 1024 + 'once more\n'.length)

  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  onTestFinished(() => void vi.useRealTimers())
  const third = await RollingFile.open(dir, events)
  vi.setSystemTime(Date.now() + 86_400_000)
  third.write('the next day\n')
  await third.close()
  expect(readFileSync(join(dir, logFileName(localDay(), 1)), 'utf8')).toBe('the next day\n')
})
