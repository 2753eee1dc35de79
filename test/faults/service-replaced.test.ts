import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { freeze, hasEnded, superviseProbe } from '../support/services/supervised.ts'
import { troubleEntry, troubleFolder } from '../support/services/trouble-folder.ts'

test('restarted again and again under load: nothing fails, and no old process stays', async () => {
  const { client, supervisor, status } = superviseProbe()
  const pids = new Set<number>()
  let over = false
  const load = Promise.all(
    Array.from({ length: 16 }, async () => {
      while (!over) pids.add(await client.act({ ms: 30 }))
    }),
  )
  try {
    await eventually('answers before the first restart', () => pids.size === 1)
    for (let n = 0; n < 4; n++) await supervisor.restart('probe')
    await eventually('the newest process answers', () => pids.has(status().pid ?? 0))
  } finally {
    over = true
    await load
  }
  expect(pids.size).toBe(5)
  pids.delete(status().pid ?? 0)
  await eventually('the old processes are gone', () => [...pids].every(hasEnded))
  expect(status()).toMatchObject({ state: 'ready', generation: 5, last_error: null })
})

test('of a stateful service there is one process at a time', async () => {
  const { client, supervisor, states } = superviseProbe({ stateful: true })
  const first = await client.pid({})
  const slow = client.act({ ms: 300 })
  const restarted = supervisor.restart('probe')
  const next = client.act({ ms: 0 })
  expect(await slow).toBe(first)
  await restarted
  expect(hasEnded(first)).toBe(true)
  expect(await next).not.toBe(first)
  expect(states.map(({ state }) => state)).toEqual(['starting', 'ready', 'starting', 'ready'])
})

test('a lazy service starts with its first call, rests when idle, and starts again', async () => {
  const { client, status, becomes } = superviseProbe({ start: 'lazy', idleStopMs: 150 })
  expect(status()).toMatchObject({ state: 'stopped', pid: null, lazy: true })
  const first = await client.linger({ ms: 400 })
  await becomes('stopped')
  await eventually('the process is gone', () => hasEnded(first))
  expect(await client.pid({})).not.toBe(first)
  expect(status()).toMatchObject({ generation: 2, last_error: null })
})

test('more calls than may wait are refused at once, and waiting ends with the caller', async () => {
  const { env, cause } = troubleFolder()
  cause('silent')
  const { client, status } = superviseProbe({
    entry: troubleEntry,
    env,
    queue: { max: 3, waitMs: 60_000 },
    firstReadyMs: 60_000,
  })
  const abort = new AbortController()
  const waiting = [
    client.echo({ value: 1 }, { timeoutMs: 200 }),
    client.echo({ value: 2 }, { signal: abort.signal }),
    client.act({ ms: 0 }, { timeoutMs: 300 }),
  ]
  const outcomes = Promise.allSettled(waiting)
  await expect(client.echo({ value: 4 })).rejects.toMatchObject({
    kind: 'unavailable',
    details: { retry_after_seconds: 1 },
  })
  expect(status().queued_calls).toBe(3)
  abort.abort()
  expect((await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason.kind)).toEqual([
    'unavailable',
    'cancelled',
    // Never sent: nothing unknown about it.
    'unavailable',
  ])
  expect(status().queued_calls).toBe(0)
})

test('a close lets calls finish, ends what does not, and is kept even by a stopped process', async () => {
  const { client, supervisor, kill, status, runDir } = superviseProbe()
  const pid = await client.pid({})
  const quick = client.act({ ms: 100 })
  const closed = supervisor.close(1_000)
  expect(await quick).toBe(pid)
  await closed
  expect(hasEnded(pid)).toBe(true)
  expect(status()).toMatchObject({ state: 'stopped', pid: null })
  await expect(client.pid({})).rejects.toMatchObject({ kind: 'unavailable', message: 'Keel is stopping' })
  await expect(supervisor.restart('probe')).rejects.toMatchObject({ message: 'Keel is stopping' })
  expect(readdirSync(join(runDir, 'children'))).toEqual([])
  expect(kill()).toBeNull()

  const other = superviseProbe({ heartbeat: { everyMs: 60_000, misses: 2 } })
  const stopped = await other.client.pid({})
  const hanging = other.client.linger({ ms: 0 })
  await hanging
  freeze(stopped)
  const late = other.client.act({ ms: 0 })
  const outcome = expect(late).rejects.toMatchObject({ kind: 'outcome_unknown' })
  const at = performance.now()
  await other.supervisor.close(200)
  expect(performance.now() - at).toBeLessThan(3_500)
  await outcome
  expect(hasEnded(stopped)).toBe(true)
})
