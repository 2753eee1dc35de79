import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MemoryWork } from '#kernel/memory/memory-work.ts'

/** Work that goes on until it is told to end, or to stop. */
function openEnded() {
  let begun = 0
  const ends = Promise.withResolvers<string>()
  const began = Promise.withResolvers<void>()
  const run = (signal: AbortSignal) => {
    begun += 1
    began.resolve()
    return Promise.race([
      ends.promise,
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    ])
  }
  return { run, end: ends.resolve, began: began.promise, begun: () => begun }
}

test('one after the other, those first for whom somebody waits', async () => {
  const work = new MemoryWork()
  const order: string[] = []
  const step = (name: string) => async () => {
    order.push(`${name} begins`)
    await delay(1)
    order.push(`${name} ends`)
  }
  await Promise.all([
    work.runBehind(step('a')),
    work.runBehind(step('b')),
    work.run(step('first')),
    work.run(step('second')),
  ])
  expect(order).toEqual(['a', 'first', 'second', 'b'].flatMap((name) => [`${name} begins`, `${name} ends`]))
})

test('a failure is its own: what comes after goes on', async () => {
  const work = new MemoryWork()
  const failing = work.run(() => {
    throw new Error('no')
  })
  const fine = work.run(() => 'yes')
  await expect(failing).rejects.toThrow('no')
  expect(await fine).toBe('yes')
})

test('what nobody waits for gives way after a while, and begins anew', async () => {
  const work = new MemoryWork({ patience_ms: 20 })
  const long = openEnded()
  const behind = work.runBehind(long.run)
  await long.began
  expect(await work.run(() => 'passed')).toBe('passed')
  long.end('done in the end')
  expect(await behind).toBe('done in the end')
  expect(long.begun()).toBe(2)
})

test('what somebody waits for gives way to nobody', async () => {
  const work = new MemoryWork({ patience_ms: 1 })
  const long = openEnded()
  const first = work.run(long.run)
  const second = work.run(() => 'second')
  await delay(20)
  long.end('first')
  expect([await first, await second, long.begun()]).toEqual(['first', 'second', 1])
})

test('at the end nothing is under way, and what waits is told so', async () => {
  const work = new MemoryWork()
  const long = openEnded()
  const under = work.run(long.run)
  const behind = work.runBehind(() => 'never')
  const stopping = { kind: 'unavailable', message: 'Keel is stopping' }
  const told = Promise.all([
    expect(under).rejects.toMatchObject(stopping),
    expect(behind).rejects.toMatchObject(stopping),
  ])
  await long.began
  await work.close()
  await told
  await expect(work.run(() => 'late')).rejects.toMatchObject(stopping)
})

test('no more wait than it says', async () => {
  const work = new MemoryWork()
  const long = openEnded()
  const under = work.run(long.run)
  const waiting = Array.from({ length: 256 }, () => work.run(() => 'in time'))
  await expect(work.run(() => 'too late')).rejects.toMatchObject({ kind: 'unavailable' })
  long.end('done')
  expect([await under, ...(await Promise.all(waiting))]).toHaveLength(257)
})
