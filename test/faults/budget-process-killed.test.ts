import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/*
 * Who makes the calls dies in the midst of them: the provider may have billed what nobody was told of. It is booked at its
 * worst, and what is left is kept to.
 */

const hard = 1.5
const callCost = 11 * 0.001 + 7 * 0.002
/** What one call may answer at most: a few of them fit into the budget at a time. */
const max_tokens = 50
const config = (url: string) =>
  upstreamConfig(
    url,
    `[cache]
enabled = false

[budgets.day]
hard_cost = ${hard}

[models.model_overrides."mock/test-model"]
cost_per_input_token = 0.001
cost_per_output_token = 0.002
`,
  )

let home: string
let keel: Daemon
let upstream: Upstream

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  upstream = await startUpstream()
  keel = await startDaemon({ home, config: config(upstream.url) })
}, 30_000)

afterEach(async () => {
  await keel.dispose()
  await upstream.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

let questions = 0

/** The status of a call to the model; no two ask the same, which would be made one. */
async function ask(): Promise<number> {
  questions += 1
  const response = await keel.fetch('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'mock/test-model',
      max_tokens,
      messages: [{ role: 'user', content: `Hello ${questions}?` }],
    }),
  })
  await response.text()
  return response.status
}

/** The day's account, once it is as wanted, with the sum of the rows beside it. */
async function books(what: string, fits: (day: { spent: number; reserved: number; unsettled: number }) => boolean) {
  const read = async () => {
    const { budgets } = await keel.client.budgets.listBudgets({})
    const day = budgets[0]?.accounts[0]?.cost
    if (!day) throw new Error('The day has no account')
    return day
  }
  await eventually(what, async () => fits(await read()))
  const { summary } = await keel.client.stats.listCosts({})
  return { ...(await read()), rows: summary.total_cost }
}

async function inferencePid(): Promise<number> {
  const { services } = await keel.client.services.listServices()
  const pid = services.find(({ name }) => name === 'inference')?.pid
  if (!pid) throw new Error('The inference service has no process')
  return pid
}

/** Asks until the budget pays for no more; returns how often it paid. */
async function askToTheEnd(): Promise<number> {
  for (let paid = 0; ; paid++) {
    const status = await ask()
    if (status !== 200) {
      expect(status).toBe(402)
      return paid
    }
  }
}

test('whoever makes the calls is killed, then the kernel: nothing passes the line, and the books are right', async () => {
  expect(await ask()).toBe(200)
  expect(await books('the call is booked', ({ spent }) => spent > 0)).toMatchObject({ reserved: 0, unsettled: 0 })

  upstream.script({ fault: 'hang' })
  const cutOff = Promise.all([ask(), ask()])
  cutOff.catch(() => {})
  await upstream.received(3)
  process.kill(await inferencePid(), 'SIGKILL')
  // Their callers wait on: the next process makes the calls again, and sets aside for them once more.
  const { unsettled, reserved } = await books('they are booked', (day) => day.unsettled > 0 && day.reserved > 0)
  expect(unsettled).toBeGreaterThan(2 * max_tokens * 0.002)
  await upstream.received(5)
  upstream.script({})
  process.kill(await inferencePid(), 'SIGKILL')
  expect(await cutOff).toEqual([200, 200])
  const after = await books('all has ended', (day) => day.reserved === 0)
  expect(reserved).toBeLessThanOrEqual(unsettled)
  expect(after.unsettled).toBeCloseTo(2 * unsettled, 8)
  expect(after.spent).toBeCloseTo(3 * callCost, 8)

  upstream.script({ fault: 'hang' })
  const lost = ask().catch(() => 0)
  await upstream.received(8)
  await keel.stop('SIGKILL')
  expect(await lost).toBe(0)
  upstream.script({})
  keel = await startDaemon({ home })
  const restarted = await books('it is booked', (day) => day.unsettled > after.unsettled)
  expect(restarted.spent).toBeCloseTo(after.spent, 8)

  expect(await askToTheEnd()).toBeGreaterThan(0)
  const end = await books('all has ended', (day) => day.reserved === 0)
  expect(end.spent).toBeCloseTo(end.rows, 8)
  expect(end.spent + end.unsettled).toBeLessThanOrEqual(hard)
  expect(end.unsettled).toBe(restarted.unsettled)
}, 60_000)
