import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { freeze, hasEnded, superviseProbe } from '../support/services/supervised.ts'

const kills = 7
const betweenKillsMs = 300

test('killed mid-call: safe calls are answered by the next process, of others nobody knows the outcome', async () => {
  const { client, kill, status, supervisor } = superviseProbe()
  const first = await client.pid({})
  const safe = Array.from({ length: 8 }, () => client.linger({ ms: 300 }))
  const unsafe = Array.from({ length: 8 }, () => client.act({ ms: 300 }))
  const seen: number[] = []
  const begun = client.count({ chunks: 50, pauseMs: 20 }, { onChunk: ({ n }) => void seen.push(n) })
  const settled = Promise.allSettled([...unsafe, begun])
  await eventually('chunks have come', () => seen.length > 2)
  expect(status().calls_in_flight).toBe(17)
  kill()
  const pids = await Promise.all(safe)
  expect(new Set(pids).size).toBe(1)
  expect(pids[0]).not.toBe(first)
  const outcomes = await settled
  for (const outcome of outcomes.slice(0, 8))
    expect(outcome).toMatchObject({
      status: 'rejected',
      reason: { kind: 'outcome_unknown', message: 'The probe service ended during act' },
    })
  // A stream that has begun is never begun again behind its reader's back.
  expect(outcomes[8]).toMatchObject({ status: 'rejected', reason: { kind: 'unavailable' } })
  expect(seen).toEqual(seen.map((_, n) => n))
  expect(await client.act({ ms: 0 })).toBe(pids[0])
  expect(status()).toMatchObject({ state: 'ready', restarts: 1, calls_in_flight: 0, queued_calls: 0 })
  expect(supervisor.status()[0]?.last_error).toBe('was ended by SIGKILL')
})

test('killed every 300 ms under 16 callers: no safe call fails', async () => {
  const { client, kill, status } = superviseProbe()
  let over = false
  let answers = 0
  const load = Promise.all(
    Array.from({ length: 16 }, async (_, caller) => {
      for (let n = 0; !over; n++) {
        expect(await client.echo({ value: [caller, n] })).toEqual([caller, n])
        answers += 1
        await client.linger({ ms: 5 })
      }
    }),
  )
  try {
    await eventually('answers before the first kill', () => answers > 100)
    const killed = new Set<number>()
    const until = performance.now() + 10_000
    while (killed.size < kills && performance.now() < until) {
      const pid = kill()
      if (pid !== null) killed.add(pid)
      await delay(betweenKillsMs)
    }
    expect(killed.size).toBe(kills)
    const before = answers
    await eventually('answers after the last kill', () => answers > before + 100)
  } finally {
    over = true
    await load
  }
  expect(status()).toMatchObject({ state: 'ready', calls_in_flight: 0, queued_calls: 0 })
})

test('stopped in its tracks: noticed within its heartbeats, and what waited is answered', async () => {
  const { client, status, becomes } = superviseProbe({ heartbeat: { everyMs: 100, misses: 4 } })
  const stopped = freeze(await client.pid({}))
  const at = performance.now()
  const waiting = client.linger({ ms: 10 })
  const unsafe = client.act({ ms: 10 })
  await expect(unsafe).rejects.toMatchObject({ kind: 'outcome_unknown' })
  expect(performance.now() - at).toBeLessThan(1_000)
  expect(await waiting).not.toBe(stopped)
  await becomes('ready')
  expect(hasEnded(stopped)).toBe(true)
  expect(status().last_error).toBe('was ended by SIGKILL: no answer to its heartbeat for 400 ms')
  expect(await client.echo({ value: 'mended' })).toBe('mended')
})

test('an endless loop is ended like a stop', async () => {
  const { client, status } = superviseProbe({ heartbeat: { everyMs: 100, misses: 4 } })
  const first = await client.pid({})
  await expect(client.spin({})).rejects.toMatchObject({ kind: 'outcome_unknown' })
  expect(await client.pid({})).not.toBe(first)
  expect(status().state).toBe('ready')
})

test('a service that leaves by itself is back at once', async () => {
  const { client, status } = superviseProbe()
  const first = await client.pid({})
  await expect(client.exit({ code: 3 })).rejects.toMatchObject({ kind: 'outcome_unknown' })
  expect(await client.pid({})).not.toBe(first)
  expect(status().last_error).toBe('ended with code 3')
})
