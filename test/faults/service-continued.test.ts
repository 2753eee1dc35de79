import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { freeze, hasEnded, superviseProbe } from '../support/services/supervised.ts'

const patient = { heartbeat: { everyMs: 250, misses: 40 } }

test('stopped, replaced, and continued: it finishes what it had, leaves, and changes nothing', async () => {
  const { client, supervisor, status, states, logged } = superviseProbe(patient)
  const first = await client.pid({})
  const unsafe = client.act({ ms: 50 })
  const safe = client.linger({ ms: 50 })
  await client.echo({ value: 'both have arrived' })
  freeze(first)
  await supervisor.restart('probe')
  const next = await client.pid({})
  expect(next).not.toBe(first)
  expect(hasEnded(first)).toBe(false)
  const before = { status: status(), states: states.length, logged: logged.length }
  process.kill(first, 'SIGCONT')
  expect(await Promise.all([unsafe, safe])).toEqual([first, first])
  await eventually('the old process has left', () => hasEnded(first))
  expect(await client.pid({})).toBe(next)
  expect(status()).toMatchObject({ state: 'ready', pid: next, generation: 2, restarts: 1, last_error: null })
  expect({ states: states.length, logged: logged.length }).toEqual({ states: before.states, logged: before.logged })
})

test('stopped and continued before its heartbeats run out: nobody is replaced, and who waited is answered', async () => {
  const { client, status } = superviseProbe(patient)
  const first = freeze(await client.pid({}))
  const waiting = [client.act({ ms: 0 }), client.linger({ ms: 0 })]
  // Several heartbeats of a quarter of a second are missed.
  await delay(1_100)
  process.kill(first, 'SIGCONT')
  expect(await Promise.all(waiting)).toEqual([first, first])
  // What it says to the heartbeats it had missed, all at once, does no harm either.
  await delay(600)
  expect(await client.pid({})).toBe(first)
  expect(status()).toMatchObject({ state: 'ready', generation: 1, last_error: null })
})

test('stopped past its heartbeats: there is nothing left to continue', async () => {
  const { client } = superviseProbe({ heartbeat: { everyMs: 100, misses: 4 } })
  const first = freeze(await client.pid({}))
  expect(await client.linger({ ms: 0 })).not.toBe(first)
  expect(() => process.kill(first, 'SIGCONT')).toThrow('ESRCH')
})
