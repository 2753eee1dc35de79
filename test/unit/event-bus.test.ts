import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { createEventBus, type EventBus } from '#kernel/events/bus.ts'
import { journalMaxEvents } from '#kernel/events/journal.ts'
import { openWritable } from '#kernel/store/database.ts'
import { eventsMigration } from '#kernel/store/migrations/0020-events.ts'

const noted = z.looseObject({})
type TestEvents = Record<'a' | 'b' | 'session_created' | 'tool_call' | 'after', typeof noted>
type TestBus = EventBus<TestEvents>

const log = pino({ enabled: false })
let directory: string
let path: string
let opened: { close(): void }[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keel-events-'))
  path = join(directory, 'keel.db')
  const db = openWritable(path, 'normal')
  eventsMigration.up(db)
  db.close()
})

afterEach(() => {
  for (const thing of opened.reverse()) thing.close()
  opened = []
  rmSync(directory, { recursive: true })
})

function openDb() {
  const db = openWritable(path, 'normal')
  opened.push(db)
  return db
}

function openBus(now?: () => number): TestBus {
  const bus = createEventBus<TestEvents>({ db: openDb(), log, ...(now && { now }) })
  opened.push(bus)
  return bus
}

const seqs = (bus: TestBus, seq: number) => bus.since(seq, { limit: 100_000 }).events.map((event) => event.seq)

test('an event is a flat object with the envelope first, and fields can not replace the envelope', () => {
  const bus = openBus(() => Date.UTC(2026, 0, 2))
  const seen: string[] = []
  bus.subscribe(({ text }) => seen.push(text))
  bus.publish('session_created', { session_id: 's1', seq: 99, type: 'other' })
  expect(seen).toEqual([
    `{"seq":1,"epoch":"${bus.position.epoch}","type":"session_created","timestamp":"2026-01-02T00:00:00.000Z","session_id":"s1"}`,
  ])
})

test('secrets are removed wherever they stand, and the text stays JSON', () => {
  const bus = openBus()
  const seen: string[] = []
  bus.subscribe(({ text }) => seen.push(text))
  bus.publish('tool_call', {
    output_preview: 'line\nsk-abcdefgh12345678 x',
    nested: { list: ['ghp_0123456789abcdefABCD'] },
  })
  bus.publish('tool_call', { output_preview: '-----BEGIN PRIVATE KEY-----\nMIIE', after: 'kept' })
  expect(JSON.parse(seen[0] as string)).toMatchObject({
    output_preview: 'line\nsk-*** x',
    nested: { list: ['ghp_***'] },
  })
  expect(JSON.parse(seen[1] as string)).toMatchObject({ output_preview: '***private key***', after: 'kept' })
})

test('a listener that throws harms neither the publisher nor the others; one that stopped hears no more', () => {
  const bus = openBus()
  const seen: number[] = []
  bus.subscribe(() => {
    throw new Error('broken listener')
  })
  const stop = bus.subscribe(({ seq }) => seen.push(seq))
  bus.publish('a', {})
  stop()
  bus.publish('a', {})
  expect(seen).toEqual([1])
})

test('resumes from memory and says nothing when nothing is missing', () => {
  const bus = openBus()
  for (let i = 0; i < 5; i++) bus.publish('a', { i })
  expect(seqs(bus, 2)).toEqual([3, 4, 5])
  expect(bus.since(5)).toEqual({ events: [] })
  expect(bus.since(0, { limit: 2 }).events.map(({ seq }) => seq)).toEqual([1, 2])
})

test('an orderly restart keeps the epoch, the events and the numbering without a hole', () => {
  const first = openBus()
  for (let i = 0; i < 5; i++) first.publish('a', { i })
  first.close()
  const second = openBus()
  expect(second.position).toEqual({ seq: 5, epoch: first.position.epoch })
  second.publish('a', { i: 5 })
  expect(seqs(second, 3)).toEqual([4, 5, 6])
  expect(seqs(second, 5)).toEqual([6])
})

test('another epoch, or a number from the future, is a gap over everything', () => {
  const bus = openBus()
  expect(bus.since(3, { epoch: 'other' })).toEqual({ events: [] })
  bus.publish('a', {})
  bus.publish('a', {})
  expect(bus.since(1, { epoch: 'other' })).toEqual({ gap: { from: 1, to: 2 }, events: [] })
  expect(bus.since(7)).toEqual({ gap: { from: 1, to: 2 }, events: [] })
})

test('what was dropped is named as a gap, and what is left follows', () => {
  const first = openBus()
  for (let i = 1; i <= journalMaxEvents + 100; i++) first.publish('a', {})
  first.close()
  const { gap, events } = openBus().since(40)
  expect(gap).toEqual({ from: 41, to: 100 })
  expect(events[0]?.seq).toBe(101)
})

test('events are in the database soon after, in order', async () => {
  const bus = openBus()
  bus.publish('a', { i: 1 })
  bus.publish('b', { i: 2 })
  const db = openDb()
  await expect
    .poll(() => db.prepare('SELECT seq, type FROM events ORDER BY seq').all())
    .toEqual([
      { seq: 1, type: 'a' },
      { seq: 2, type: 'b' },
    ])
})

test('a database that refuses does not fail the publisher, and the events are stored when it recovers', async () => {
  const db = openDb()
  const bus = createEventBus<TestEvents>({ db, log })
  opened.push(bus)
  bus.publish('a', {})
  await expect.poll(() => db.prepare('SELECT count(*) AS n FROM events').get()).toEqual({ n: 1 })
  db.exec("CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT raise(ABORT, 'disk full'); END")
  for (let i = 0; i < 300; i++) bus.publish('a', {})
  expect(seqs(bus, 299)).toEqual([300, 301])
  db.exec('DROP TRIGGER refuse')
  await expect.poll(() => db.prepare('SELECT count(*) AS n FROM events').get(), { timeout: 5_000 }).toEqual({ n: 301 })
})

test('events published inside a transaction that is rolled back, or beside a lock, stay numbered and stored', async () => {
  const db = openDb()
  const bus = createEventBus<TestEvents>({ db, log })
  opened.push(bus)
  const other = openDb()
  const announce = () => {
    for (let i = 0; i < 6_000; i++) bus.publish('a', {})
  }
  const rollBack = (within: typeof db) =>
    within.transaction(() => {
      within.exec('CREATE TABLE held (x)')
      announce()
      throw new Error('rolled back')
    })
  expect(rollBack(db)).toThrow('rolled back')
  expect(rollBack(other)).toThrow('rolled back')
  await expect
    .poll(() => db.prepare('SELECT max(seq) AS seq FROM events').get(), { timeout: 5_000 })
    .toEqual({ seq: 12_000 })
  const { reserved } = db.prepare('SELECT reserved FROM event_sequence').get() as { reserved: number }
  expect(reserved).toBeGreaterThan(12_000)
})

test('killed in the middle: no number is used twice and the loss is told', async () => {
  const child = spawn(process.execPath, ['test/support/event-crash.ts', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (bytes) => {
    output += bytes
    if (output.length > 20_000) child.kill('SIGKILL')
  })
  await once(child, 'close')
  const newestSeen = Math.max(...output.split('\n').slice(0, -1).map(Number))

  const bus = openBus()
  bus.publish('after', {})
  expect(bus.position.seq).toBeGreaterThan(newestSeen)
  const replayed = []
  let cursor = 0
  for (;;) {
    const { gap, events } = bus.since(cursor)
    if (gap) throw new Error(`unexpected gap ${gap.from}..${gap.to}`)
    if (events.length === 0) break
    replayed.push(...events)
    cursor = (events.at(-1) as { seq: number }).seq
  }
  const crash = replayed.at(-2)
  const told = JSON.parse(crash?.text ?? '{}')
  expect(crash?.type).toBe('gap')
  expect(replayed.slice(0, -2).map(({ seq }) => seq)).toEqual(Array.from({ length: told.from - 1 }, (_, i) => i + 1))
  expect(told).toMatchObject({ to: crash?.seq, epoch: bus.position.epoch })
  expect(bus.position.seq).toBe(told.to + 1)
})
