import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { hasEnded, superviseProbe } from '../support/services/supervised.ts'

const mebibyte = 1024 * 1024

test('over its memory limit for three polls it is replaced, and nothing fails', async () => {
  const { client, status, becomes } = superviseProbe({
    memoryBytes: 180 * mebibyte,
    heartbeat: { everyMs: 100, misses: 20 },
  })
  const first = await client.pid({})
  const slow = client.linger({ ms: 1_500 })
  await client.allocate({ bytes: 150 * mebibyte })
  await eventually('another process answers', async () => (await client.pid({})) !== first)
  // The old one finishes what it has.
  expect(await slow).toBe(first)
  await eventually('the old process is gone', () => hasEnded(first))
  await becomes('ready')
  expect(status()).toMatchObject({ generation: 2, last_error: null })
})

test('far over its memory limit it is ended', async () => {
  const { client, status } = superviseProbe({ memoryBytes: 180 * mebibyte, heartbeat: { everyMs: 100, misses: 20 } })
  const first = await client.pid({})
  await client.allocate({ bytes: 400 * mebibyte }).catch(() => {}) // Ended while it says so, or just after.
  await eventually('the process is gone', () => hasEnded(first))
  expect(await client.pid({})).not.toBe(first)
  expect(status().last_error).toMatch(/^was ended by SIGKILL: it used \d+ MiB of the 180 it may$/)
})

test('one that babbles on the wire is ended; one that stumbles is not', async () => {
  const { client, status } = superviseProbe()
  const first = await client.pid({})
  await client.writeWire({ text: 'a stray line', times: 10 })
  expect(await client.pid({})).toBe(first)
  await client.writeWire({ text: 'another', times: 5 }).catch(() => {}) // Ended while it says so, or just after.
  await eventually('the process is gone', () => hasEnded(first))
  expect(await client.pid({})).not.toBe(first)
  expect(status().last_error).toBe('was ended by SIGKILL: more than 10 faults on the wire within 10 s')
})

test('a failing kernel is not held against the child that asked', async () => {
  const { client, logged } = superviseProbe()
  const first = await client.pid({})
  await client.writeWire({ text: '{"jsonrpc":"2.0","id":"x","method":"kernel.breakDown","params":{}}', times: 30 })
  await eventually(
    'the failures are logged',
    () => logged.filter(({ msg }) => msg === 'kernel.breakDown failed').length === 30,
  )
  expect(await client.pid({})).toBe(first)
})

test('a message of 10 MB is dropped and told, a printed line of 10 MB is cut', async () => {
  const { client, lines, logged } = superviseProbe()
  const first = await client.pid({})
  await client.writeWire({ text: 'x'.repeat(10_000_000), times: 1 })
  await client.print({ text: 'y', length: 10_000_000 })
  await eventually('the line is there', () => lines.some((line) => line.startsWith('yyy')))
  expect(lines.find((line) => line.startsWith('yyy'))?.length).toBe(16_384)
  expect(logged.some(({ msg }) => msg === 'dropped a message of 10000000 bytes')).toBe(true)
  expect(await client.pid({})).toBe(first)
})

test('a child sees nothing of the kernel’s secrets', async () => {
  process.env.PROBE_SECRET_KEY = 'sk-of-the-kernel'
  onTestFinished(() => void delete process.env.PROBE_SECRET_KEY)
  const { client } = superviseProbe({ env: { GIVEN: 'yes' } })
  const env = await client.environment({})
  expect(env.GIVEN).toBe('yes')
  expect(JSON.stringify(env)).not.toContain('sk-of-the-kernel')
})
