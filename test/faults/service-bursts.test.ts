import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { hasEnded, superviseProbe } from '../support/services/supervised.ts'

const mebibyte = 1024 * 1024
const callers = 8

/** Callers of the same service, before, while and after `harm` is done to its process; none of them may fail. */
async function underCalls(
  { client, status }: Pick<ReturnType<typeof superviseProbe>, 'client' | 'status'>,
  harm: () => Promise<void>,
): Promise<void> {
  const first = await client.pid({})
  let over = false
  let answers = 0
  const load = Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (!over) {
        expect(await client.echo({ value: caller })).toBe(caller)
        await client.linger({ ms: 5 })
        answers += 1
      }
    }),
  )
  try {
    await eventually('answers before', () => answers >= callers)
    await harm()
    await eventually('the process is gone', () => hasEnded(first))
    const sofar = answers
    await eventually('answers afterwards', () => answers >= sofar + callers)
  } finally {
    over = true
    await load
  }
  expect(await client.pid({})).not.toBe(first)
  expect(status()).toMatchObject({ state: 'ready', generation: 2, calls_in_flight: 0, queued_calls: 0 })
}

test('its heap is full: it ends, and no safe call fails', async () => {
  const probe = superviseProbe({ memoryBytes: 128 * mebibyte, heartbeat: { everyMs: 500, misses: 40 } })
  await underCalls(probe, async () => {
    await expect(probe.client.hoard({})).rejects.toMatchObject({ kind: 'outcome_unknown' })
  })
  expect(probe.status().last_error).toMatch(/^was ended by SIG(ABRT|TRAP)$/)
  expect(probe.lines.some((line) => line.includes('heap out of memory'))).toBe(true)
})

test('far over its memory beside the heap: it is ended, and no safe call fails', async () => {
  const probe = superviseProbe({ memoryBytes: 180 * mebibyte, heartbeat: { everyMs: 100, misses: 40 } })
  await underCalls(probe, async () => {
    // Ended while it says so, or just after.
    await probe.client.allocate({ bytes: 400 * mebibyte }).catch(() => {})
  })
  expect(probe.status().last_error).toMatch(/^was ended by SIGKILL: it used \d+ MiB of the 180 it may$/)
})

test('it grows past its limit little by little: it is replaced, and no call fails, safe or not', async () => {
  const probe = superviseProbe({ memoryBytes: 180 * mebibyte, heartbeat: { everyMs: 100, misses: 40 } })
  const acts: Promise<number>[] = []
  await underCalls(probe, async () => {
    const first = probe.status().pid
    for (let n = 0; n < 40 && probe.status().pid === first; n++) {
      acts.push(probe.client.act({ ms: 200 }))
      if ((probe.status().rss_bytes ?? 0) < 190 * mebibyte) await probe.client.allocate({ bytes: 8 * mebibyte })
      await delay(100)
    }
  })
  await expect(Promise.all(acts)).resolves.toHaveLength(acts.length)
  expect(probe.status().last_error).toBeNull()
})

test('it dies in the middle of a message: the half is not read, and no safe call fails', async () => {
  const probe = superviseProbe()
  await underCalls(probe, async () => {
    await expect(probe.client.dieMidFrame({})).rejects.toMatchObject({ kind: 'outcome_unknown' })
  })
  expect(probe.status().last_error).toBe('was ended by SIGKILL')
  expect(probe.logged.map(({ msg }) => msg)).toEqual(['a service process is gone'])
})
