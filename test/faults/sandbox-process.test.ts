import { expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { guest, type SandboxScene } from '../support/sandbox-scene.ts'
import { startSandbox } from '../support/sandbox-service.ts'
import { freeze } from '../support/services/supervised.ts'

const patient = { wall_ms: 8_000 }

/** A scene whose tool `waits` asks for a gate that the test opens, and tells when it waits there. */
function gatedScene(scene: Partial<SandboxScene> = {}) {
  let waiting = 0
  let isOpen = false
  const open = Promise.withResolvers<string>()
  const started = startSandbox({
    plugins: { waits: guest('return await host.kv.get("gate")'), other: guest('return "served"') },
    callHost() {
      waiting++
      return isOpen ? 'passed' : open.promise
    },
    ...scene,
  })
  const pid = () => {
    const { pid: current } = started.status()
    if (!current) throw new Error('There is no process')
    return current
  }
  return {
    ...started,
    pid,
    isWaiting: (count: number) => eventually(`${count} calls wait at the gate`, () => waiting >= count, 8_000),
    open() {
      isOpen = true
      open.resolve('passed')
    },
  }
}

const gated = { host: ['kv.get'], limits: patient }

test('killed in the middle of a call: the call is run again, and its caller does not notice', async () => {
  const { call, pid, isWaiting, open, status } = gatedScene()
  // Steady.
  expect(await call('other')).toMatchObject({ output: 'served' })
  const answering = call('waits', gated, { idempotent: false })
  await isWaiting(1)
  // Broken.
  process.kill(pid(), 'SIGKILL')
  open()
  // Recovered.
  expect(await answering).toMatchObject({ status: 'success', output: 'passed' })
  expect(await call('other')).toMatchObject({ output: 'served' })
  expect(status().restarts).toBe(1)
})

test('killed in the middle of a call that has changed something: its outcome is unknown, and the next is served', async () => {
  const { call, pid, isWaiting } = gatedScene()
  const answering = call('waits', gated, { idempotent: false, effects: () => true })
  await isWaiting(1)
  process.kill(pid(), 'SIGKILL')
  await expect(answering).rejects.toMatchObject({ kind: 'outcome_unknown' })
  expect(await call('other')).toMatchObject({ output: 'served' })
})

test('stopped in its tracks: it is noticed, replaced, and the call is run again', async () => {
  const { call, pid, isWaiting, open, status } = gatedScene({ spec: { heartbeat: { everyMs: 150, misses: 3 } } })
  const answering = call('waits', gated)
  await isWaiting(1)
  freeze(pid())
  const beside = call('other', { limits: patient })
  open()
  expect(await answering).toMatchObject({ output: 'passed' })
  expect(await beside).toMatchObject({ output: 'served' })
  expect(status()).toMatchObject({ restarts: 1, last_error: expect.stringContaining('no answer to') })
})

test('a guest that holds its process past its wall clock is told so, and the next is served', async () => {
  const { call, pid, isWaiting } = gatedScene()
  const answering = call('waits', { host: ['kv.get'], limits: { wall_ms: 300 } })
  await isWaiting(1)
  freeze(pid())
  expect(await answering).toMatchObject({ status: 'error', fault: 'timeout', metadata: { process_ended: true } })
  expect(await call('other', { limits: patient })).toMatchObject({ output: 'served' })
})

test('a process that grows is ended from outside, whatever its isolates say', async () => {
  const small = 1024 * 1024
  const { call, supervisor, lines, status } = startSandbox({
    plugins: { any: guest('return 1') },
    spec: { memoryBytes: small, budget: { crashes: 1, withinMs: 30_000, longCrashes: 1, longWithinMs: 30_000 } },
  })
  await expect(call('any')).rejects.toMatchObject({ kind: 'unavailable' })
  await eventually('it is given up', () => status().state === 'down')
  expect(lines.join('')).toMatch(/it used \d+ MiB of the 1 it may/)
  expect(supervisor.status()).toHaveLength(1)
})

test('a process that sends what is no message is ended, and others are served', async () => {
  const { call, lines } = startSandbox({
    spec: { entry: new URL('../support/services/garbled-sandbox.ts', import.meta.url), nodeFlags: [] },
  })
  expect(await call('other')).toMatchObject({ output: 'served' })
  const garbled = call('garbled')
  const beside = call('other')
  expect(await garbled).toMatchObject({ status: 'error', fault: 'crashed' })
  expect(await beside).toMatchObject({ output: 'served' })
  expect(await call('other')).toMatchObject({ output: 'served' })
  expect(lines.join('')).toContain('faults on the wire')
})
