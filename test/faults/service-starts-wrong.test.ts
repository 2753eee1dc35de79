import { expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { superviseProbe } from '../support/services/supervised.ts'
import { troubleEntry, troubleFolder } from '../support/services/trouble-folder.ts'

test.each([
  ['crash', 'probe ended with code 7'],
  ['silent', 'probe was not ready within 1000 ms'],
  ['stranger', 'the process greets as "somebody", not as probe'],
  ['outdated', 'probe was built for another version of Keel; restart Keel after an upgrade'],
  ['early', 'the first message of probe is not its greeting'],
])(
  'a process that starts wrong (%s) is refused in a plain sentence, and its successor serves',
  async (trouble, reason) => {
    const { env, cause, mend } = troubleFolder()
    cause(trouble)
    const { client, status, states, becomes, logged } = superviseProbe({
      entry: troubleEntry,
      env,
      firstReadyMs: 1_000,
      readyMs: 5_000,
    })
    const waiting = client.echo({ value: 'waited' })
    await eventually('the start has failed', () => status().last_error !== null)
    expect(status()).toMatchObject({ last_error: reason, pid: null, generation: 0 })
    mend()
    expect(await waiting).toBe('waited')
    await becomes('ready')
    expect(states.map(({ state }) => state)).toContain('backing_off')
    // What it asked before it had greeted was not heard.
    expect(logged.some(({ msg }) => String(msg).includes('kernel.breakDown'))).toBe(false)
  },
)

test('a crash loop is down: calls fail at once with the reason, one probe now and then, and it heals', async () => {
  const { env, cause, mend } = troubleFolder()
  cause('crash')
  const budget = { crashes: 2, withinMs: 30_000, longCrashes: 10, longWithinMs: 300_000 }
  const { client, status, states, becomes, logged } = superviseProbe({ entry: troubleEntry, env, budget, probeMs: 700 })
  const waiting = client.echo({ value: 1 })
  await expect(waiting).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'The probe service is down: probe ended with code 7',
    details: { retry_after_seconds: 1 },
  })
  expect(status().state).toBe('down')
  const at = performance.now()
  await expect(client.echo({ value: 1 })).rejects.toMatchObject({ kind: 'unavailable' })
  expect(performance.now() - at).toBeLessThan(100)
  const starts = () => logged.filter(({ msg }) => msg === 'a service process is gone').length
  const before = starts()
  await eventually('it was tried again', () => starts() > before)
  expect(starts()).toBe(before + 1)
  expect(status().state).toBe('down')
  mend()
  await becomes('ready', 3_000)
  expect(await client.echo({ value: 'healed' })).toBe('healed')
  expect(states.filter(({ state }) => state === 'down').length).toBe(1)
})

test('an operator may start a service that is down, and hears why when it can not', async () => {
  const { env, cause, mend } = troubleFolder()
  cause('crash')
  const budget = { crashes: 0, withinMs: 30_000, longCrashes: 0, longWithinMs: 300_000 }
  const { client, supervisor, becomes } = superviseProbe({ entry: troubleEntry, env, budget })
  await becomes('down')
  await expect(supervisor.restart('probe')).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'The probe service did not start: probe ended with code 7',
  })
  await becomes('down')
  mend()
  await supervisor.restart('probe')
  expect(await client.echo({ value: 1 })).toBe(1)
  await expect(supervisor.restart('nobody')).rejects.toMatchObject({ kind: 'not_found' })
})

test('a new process that does not start leaves the old one in office', async () => {
  const { env, cause, mend } = troubleFolder()
  const { client, supervisor, status } = superviseProbe({ entry: troubleEntry, env })
  const first = await client.pid({})
  cause('outdated')
  await expect(supervisor.restart('probe')).rejects.toMatchObject({
    message: expect.stringContaining('was built for another version of Keel'),
  })
  expect(await client.pid({})).toBe(first)
  expect(status()).toMatchObject({ state: 'ready', generation: 1 })
  mend()
  await supervisor.restart('probe')
  expect(await client.pid({})).not.toBe(first)
})
