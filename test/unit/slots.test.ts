import { setImmediate as nextTick } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Slots } from '#kernel/slots.ts'

const patient = new AbortController().signal

function scene(max: number, maxOfOne: number) {
  const slots = new Slots({ max, maxOfOne, maxWaiting: 256, what: 'the sandbox', retryAfterSeconds: 1 })
  const running: string[] = []
  const ends = new Map<string, () => void>()
  const take = (name: string, signal = patient) =>
    slots.take(name.charAt(0), signal).then((release) => {
      running.push(name)
      ends.set(name, release)
    })
  return {
    running,
    take,
    async end(name: string) {
      ends.get(name)?.()
      await nextTick()
    },
  }
}

test('one that loops keeps others waiting for nothing', async () => {
  const { take, running } = scene(4, 2)
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) void take(name)
  await take('b1')
  expect(running).toEqual(['a1', 'a2', 'b1'])
})

test('who comes first is first, among those that have room', async () => {
  const { take, running, end } = scene(2, 1)
  for (const name of ['a1', 'a2', 'b1', 'c1', 'b2']) void take(name)
  await nextTick()
  expect(running).toEqual(['a1', 'b1'])
  await end('b1')
  expect(running).toEqual(['a1', 'b1', 'c1'])
  await end('a1')
  expect(running).toEqual(['a1', 'b1', 'c1', 'a2'])
})

test('a slot given back twice is one slot', async () => {
  const { take, running, end } = scene(1, 1)
  await take('a1')
  void take('b1')
  void take('c1')
  await end('a1')
  await end('a1')
  expect(running).toEqual(['a1', 'b1'])
})

test('a caller that goes away waits no longer, and its place is free', async () => {
  const { take, running, end } = scene(1, 1)
  await take('a1')
  const caller = new AbortController()
  const gone = take('b1', caller.signal)
  void take('c1')
  caller.abort()
  await expect(gone).rejects.toMatchObject({ kind: 'cancelled' })
  await end('a1')
  expect(running).toEqual(['a1', 'c1'])
  await expect(take('d1', caller.signal)).rejects.toMatchObject({ kind: 'cancelled' })
})

test('more than 256 do not wait', async () => {
  const { take } = scene(1, 1)
  await take('a')
  for (let n = 0; n < 256; n++) void take(`b${n}`)
  await expect(take('c')).rejects.toMatchObject({
    kind: 'unavailable',
    message: '256 calls wait for the sandbox',
    details: { retry_after_seconds: 1 },
  })
})
