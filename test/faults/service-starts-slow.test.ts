import { expect, test } from 'vitest'
import { superviseProbe } from '../support/services/supervised.ts'
import { troubleEntry, troubleFolder } from '../support/services/trouble-folder.ts'

test('a process that greets after four seconds is waited for, at the first start and after a crash', async () => {
  const slow = troubleFolder()
  slow.cause('slow')
  // With the patience that every service gets.
  const fresh = superviseProbe({ entry: troubleEntry, env: slow.env })
  const waiting = fresh.client.echo({ value: 'first of all' })

  const later = troubleFolder()
  const patience = { readyMs: 10_000, queue: { max: 256, waitMs: 10_000 } }
  const settled = superviseProbe({ entry: troubleEntry, env: later.env, ...patience })
  const first = await settled.client.pid({})
  later.cause('slow')
  const safe = settled.client.linger({ ms: 300 })
  settled.kill()
  const next = await settled.client.pid({})
  expect(next).not.toBe(first)
  expect(await safe).toBe(next)
  expect(settled.status()).toMatchObject({ state: 'ready', generation: 2, last_error: 'was ended by SIGKILL' })

  expect(await waiting).toBe('first of all')
  expect(fresh.status()).toMatchObject({ state: 'ready', generation: 1, last_error: null })
})
