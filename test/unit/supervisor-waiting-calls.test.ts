import { expect, test } from 'vitest'
import { WaitingCalls } from '#kernel/supervisor/waiting-calls.ts'
import { RuntimeError } from '#sdk/errors.ts'

const longMs = 10_000

test('everyone who waits is woken, and nobody is left', async () => {
  const calls = new WaitingCalls('probe', 2)
  const waits = [calls.wait(longMs, undefined), calls.wait(longMs, undefined)]
  expect(calls.size).toBe(2)
  calls.wake()
  await expect(Promise.all(waits)).resolves.toEqual([undefined, undefined])
  expect(calls.size).toBe(0)
})

test('one more than may wait is refused at once; the others wait on', async () => {
  const calls = new WaitingCalls('probe', 1)
  const first = calls.wait(longMs, undefined)
  await expect(calls.wait(longMs, undefined)).rejects.toMatchObject({
    kind: 'unavailable',
    details: { retry_after_seconds: 1 },
  })
  expect(calls.size).toBe(1)
  calls.wake()
  await expect(first).resolves.toBeUndefined()
  const next = calls.wait(longMs, undefined)
  calls.wake()
  await expect(next).resolves.toBeUndefined()
})

test('waiting ends after its time, and frees the place', async () => {
  const calls = new WaitingCalls('probe', 1)
  await expect(calls.wait(20, undefined)).rejects.toMatchObject({
    kind: 'unavailable',
    details: { retry_after_seconds: 2 },
  })
  expect(calls.size).toBe(0)
})

test('a caller that leaves frees its place, and is told its own reason', async () => {
  const calls = new WaitingCalls('probe', 2)
  const plain = new AbortController()
  const reasoned = new AbortController()
  const waits = [calls.wait(longMs, plain.signal), calls.wait(longMs, reasoned.signal)]
  const outcomes = Promise.allSettled(waits)
  plain.abort()
  reasoned.abort(new RuntimeError('timeout', 'the turn is over'))
  expect(calls.size).toBe(0)
  await expect(outcomes).resolves.toMatchObject([
    { reason: { kind: 'cancelled' } },
    { reason: { kind: 'timeout', message: 'the turn is over' } },
  ])
})

test('when the service is down all are told why', async () => {
  const calls = new WaitingCalls('probe', 2)
  const outcomes = Promise.allSettled([calls.wait(longMs, undefined), calls.wait(longMs, undefined)])
  const why = new RuntimeError('unavailable', 'The probe service is down')
  calls.fail(why)
  await expect(outcomes).resolves.toEqual([
    { status: 'rejected', reason: why },
    { status: 'rejected', reason: why },
  ])
  expect(calls.size).toBe(0)
})
