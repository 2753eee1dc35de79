import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { hasEnded, superviseProbe } from '../support/services/supervised.ts'

const mebibyte = 1024 * 1024
/** What a flood may cost the kernel; without a bound it is several times as much within a second. */
const maxGrowthBytes = 128 * mebibyte
const floodMs = 1_500
const patient = { heartbeat: { everyMs: 500, misses: 10 } }

/** Another service of the same kernel that is asked all the while; none of its answers may fail. */
async function besides(harm: () => Promise<void>): Promise<void> {
  const other = superviseProbe(patient)
  await other.client.echo({ value: 'steady' })
  const before = process.memoryUsage.rss()
  let most = before
  let over = false
  let answers = 0
  const load = Promise.all(
    Array.from({ length: 8 }, async (_, caller) => {
      while (!over) {
        expect(await other.client.echo({ value: caller })).toBe(caller)
        answers += 1
        most = Math.max(most, process.memoryUsage.rss())
        await delay(1)
      }
    }),
  )
  try {
    await harm()
    const sofar = answers
    await eventually('answers afterwards', () => answers > sofar + 100)
  } finally {
    over = true
    await load
  }
  expect(most - before).toBeLessThan(maxGrowthBytes)
  expect(other.status()).toMatchObject({ state: 'ready', generation: 1, last_error: null })
}

test('one that prints without end is heard in part, and it and the others go on answering', async () => {
  const { client, lines, status } = superviseProbe(patient)
  const words = ['said again and again', 'complained again and again']
  await besides(async () => {
    await client.flood({ where: 'stdout', line: words[0] ?? '' })
    await client.flood({ where: 'stderr', line: words[1] ?? '' })
    await eventually('lines are left out', () => lines.some((line) => / lines were left out$/.test(line)))
    const startedAt = performance.now()
    while (performance.now() - startedAt < floodMs) {
      expect(await client.echo({ value: 'still here' })).toBe('still here')
      await delay(20)
    }
  })
  for (const word of words) {
    const heard = lines.filter((line) => line === word).length
    expect(heard).toBeGreaterThanOrEqual(500)
    // At most 500 in each second that has begun.
    expect(heard).toBeLessThanOrEqual(500 * (status().uptime_seconds + 3))
  }
  expect(status()).toMatchObject({ generation: 1, last_error: null })
})

test.each([
  ['notices of no known name', '{"jsonrpc":"2.0","method":"$/nothing","params":{}}'],
  ['chunks of no call', '{"jsonrpc":"2.0","method":"$/chunk","params":{"id":123456789,"chunk":{}}}'],
  ['answers to nothing', '{"jsonrpc":"2.0","id":123456789,"result":"unasked"}'],
])('one that sends %s without end is ended, and its successor serves', async (_, line) => {
  const { client, status } = superviseProbe(patient)
  const first = await client.pid({})
  await besides(async () => {
    // Ended while it says so, or just after.
    await client.flood({ where: 'wire', line }).catch(() => {})
    await eventually('the process is gone', () => hasEnded(first))
    expect(await client.pid({})).not.toBe(first)
  })
  expect(status()).toMatchObject({
    state: 'ready',
    generation: 2,
    last_error: expect.stringContaining('faults on the wire within 10 s'),
  })
})

test('one that asks without end gets its answers, and so do the others', async () => {
  const { client } = superviseProbe(patient)
  const line = '{"jsonrpc":"2.0","id":"x","method":"kernel.note","params":{"text":"hello"}}'
  await besides(async () => {
    await client.flood({ where: 'wire', line })
    await delay(floodMs)
    expect(await client.relay({ text: 'heard?' })).toBe('HEARD?')
  })
})
