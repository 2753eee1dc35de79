import { once } from 'node:events'
import { setImmediate as nextTick } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type BudgetScope, budgetScopes } from '#sdk/budgets.ts'
import { accountOf, openBudgetScene, price } from '../support/budget-scene.ts'
import { eventually } from '../support/daemon.ts'
import { forkInference, providerAt, requestWith, settingsWith } from '../support/inference-service.ts'
import { startUpstream } from '../support/upstream.ts'

/** What the scripted upstream says a call has used. */
const used = { cost: 11 * price.input + 7 * price.output, tokens: 18 }

/** More than one short question may come to beside its answer, in tokens. */
const questionTokens = 150

test('50 calls at once never pass the hard line together; those that do not fit are told why', async () => {
  const hard = 1
  const keel = await openBudgetScene({ budgets: { day: { hard_cost: hard } } })
  keel.paid.script({ text: 'Paid.', usage: { input: 11, output: 20 }, delayMs: 30 })
  const asked = await Promise.allSettled(
    Array.from({ length: 50 }, () => keel.inference.complete(requestWith({ max_tokens: 20 }))),
  )
  const answered = asked.filter(({ status }) => status === 'fulfilled').length
  const refused = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  expect(answered).toBeGreaterThan(2)
  expect(refused.length).toBeGreaterThan(2)
  expect(keel.paid.requests).toHaveLength(answered)
  expect((await keel.billed()).cost).toBeLessThanOrEqual(hard)
  expect(await keel.account('day')).toMatchObject({ reserved_cost: 0, reserved_tokens: 0, unsettled_cost: 0 })
  expect(((await keel.account('day'))?.cost ?? 0) / 1e9).toBeCloseTo((await keel.billed()).cost, 8)
  for (const reason of refused) {
    expect(reason).toMatchObject({ kind: 'budget_exhausted', details: { budget: { scope: 'day', hard } } })
    expect(reason.message).toMatch(
      /^Today's budget of \$1 (is used up|does not pay for this call): \$[\d.]+ spent( and \$[\d.]+ set aside for calls under way)?\. It begins anew at \d{4}-\d\d-\d\d 00:00 UTC\.$/,
    )
  }
  expect(keel.told.filter(({ type }) => type === 'budget_hard_line')).toHaveLength(1)
  // What was set aside and not used is there for the next one.
  keel.paid.script({})
  await keel.inference.complete(requestWith({ max_tokens: 20 }))
})

test('one after the other, calls are let go to the last one that the budget pays for', async () => {
  const keel = await openBudgetScene({ budgets: { day: { hard_tokens: 400 } } })
  let answered = 0
  for (; answered < 100; answered++) {
    const refusal = await keel.inference.complete(requestWith({ max_tokens: 20 })).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    if (refusal === null) continue
    expect(refusal).toMatchObject({ kind: 'budget_exhausted', details: { budget: { measure: 'tokens', reserved: 0 } } })
    break
  }
  expect(await keel.account('day')).toMatchObject({ tokens: answered * used.tokens })
  expect((await keel.billed()).tokens).toBeGreaterThan(400 - questionTokens)
})

test.each(budgetScopes.filter((scope) => scope !== 'day').map((scope) => [scope]))(
  'the budget of a %s binds its own calls alone',
  async (scope) => {
    const keel = await openBudgetScene({ budgets: { [scope]: { hard_cost: 0 } } })
    const field = scope === 'api_key' ? 'api_key' : (`${scope}_id` as const)
    await expect(
      keel.inference.complete(requestWith({ account: accountOf({ [field]: 'one' }) })),
    ).rejects.toMatchObject({ kind: 'budget_exhausted', details: { budget: { scope, key: 'one', hard: 0 } } })
    await keel.inference.complete(requestWith())
    expect(keel.told).toMatchObject([{ type: 'budget_hard_line', scope, key: 'one', line: 0 }])
    await keel.change({ [scope]: { hard_cost: 10 } })
    await keel.inference.complete(requestWith({ account: accountOf({ [field]: 'one' }) }))
    expect(await keel.account(scope as BudgetScope, 'one')).toMatchObject({
      cost: Math.round(used.cost * 1e9),
      tokens: 18,
    })
  },
)

describe('at the hard line', () => {
  test('a model that costs nothing answers, and the selection says what kept the others out', async () => {
    const keel = await openBudgetScene({ budgets: { day: { hard_cost: 0.01 } }, models: ['paid', 'free'] })
    const selections: unknown[] = []
    const result = await keel.inference.complete(requestWith(), {
      onChunk: (chunk) => void (chunk.type === 'selected' && selections.push(chunk.selection)),
    })
    expect(result).toMatchObject({ text: 'Free.', model: 'free/m' })
    expect(selections).toMatchObject([
      {
        selected_model: 'free/m',
        strategy: 'fallback_usable_1',
        candidates: [
          { model: 'paid/m', usable: false, note: "over today's budget", over_budget: 'day' },
          { model: 'free/m', usable: true, note: 'usable' },
        ],
      },
    ])
    expect(keel.paid.requests).toHaveLength(0)
    await eventually('the line is told of', () => keel.told.length > 0)
    expect(keel.told).toMatchObject([{ type: 'budget_hard_line', scope: 'day', measure: 'cost', line: 0.01 }])
  })

  test('in tokens nothing answers, whatever it costs', async () => {
    const keel = await openBudgetScene({ budgets: { day: { hard_tokens: 10 } }, models: ['paid', 'free'] })
    await expect(keel.inference.complete(requestWith())).rejects.toMatchObject({
      kind: 'budget_exhausted',
      message: expect.stringMatching(/^Today's budget of 10 tokens does not pay for this call: 0 tokens spent\. /),
    })
    expect(keel.paid.requests.length + keel.free.requests.length).toBe(0)
  })

  test('a model that is named, and no other one, is refused', async () => {
    const keel = await openBudgetScene({ budgets: { day: { hard_cost: 0 } }, models: ['paid', 'free'] })
    const named = { model: 'paid/m', fallback: false }
    await expect(keel.inference.complete(requestWith(named))).rejects.toMatchObject({ kind: 'budget_exhausted' })
    expect(await keel.inference.complete(requestWith({ model: 'paid/m' }))).toMatchObject({ model: 'free/m' })
  })
})

describe('past the soft line', () => {
  test('the cheaper is preferred, and the line is told of once', async () => {
    const keel = await openBudgetScene({
      budgets: { day: { soft_cost: 0.001, hard_cost: 100 } },
      models: ['paid', 'cheap'],
    })
    const strategies: string[] = []
    const notes: string[] = []
    const ask = () =>
      keel.inference.complete(requestWith(), {
        onChunk(chunk) {
          if (chunk.type !== 'selected') return
          strategies.push(chunk.selection.strategy)
          notes.push(chunk.selection.candidates[0]?.note ?? '')
        },
      })
    const models = [(await ask()).model, (await ask()).model, (await ask()).model]
    expect(models).toEqual(['paid/m', 'cheap/m', 'cheap/m'])
    expect(strategies).toEqual(['primary_usable', 'cheapest_budget', 'cheapest_budget'])
    expect(notes).toEqual(['usable', ...Array(2).fill("usable; today's budget is past its soft line")])
    expect(keel.told).toMatchObject([{ type: 'budget_soft_line', scope: 'day', line: 0.001, spent: used.cost }])
  })

  test('metascores weigh what models cost', async () => {
    const keel = await openBudgetScene({
      budgets: { session: { soft_cost: 0 } },
      models: ['paid', 'cheap'],
      routing: { mode: 'metascore' },
    })
    const strategy = async (session_id: string | null) => {
      const found: string[] = []
      await keel.inference.complete(requestWith({ account: accountOf({ session_id }) }), {
        onChunk: (chunk) => void (chunk.type === 'selected' && found.push(chunk.selection.strategy)),
      })
      return found[0]
    }
    expect(await strategy('one')).toMatch(/^metascore_[\d.]+_c[\d.]+(_esc)?_budget$/)
    expect(await strategy(null)).not.toContain('budget')
    expect(keel.cheap.requests.length).toBeGreaterThan(0)
  })
})

describe('how long an answer may be', () => {
  const limits = (requests: { body: Record<string, unknown> }[]) => requests.map(({ body }) => body.max_tokens)

  test('is said where a line applies and nobody has said it', async () => {
    const keel = await openBudgetScene({ budgets: { day: { hard_cost: 100 }, max_output_tokens: 3_000 } })
    await keel.inference.complete(requestWith())
    await keel.inference.complete(requestWith({ max_tokens: 5_000 }))
    await keel.change({ session: { hard_cost: 100 } })
    await keel.inference.complete(requestWith({ max_tokens: 6_000 }))
    expect(limits(keel.paid.requests)).toEqual([3_000, 5_000, 6_000])
  })

  test('is what the rest of the budget pays for, as long as that is of use', async () => {
    const hard = 500 * price.output + questionTokens * price.input
    const keel = await openBudgetScene({ budgets: { day: { hard_cost: hard } } })
    await keel.inference.complete(requestWith())
    const [limit] = limits(keel.paid.requests) as [number]
    expect(limit).toBeGreaterThan(400)
    expect(limit).toBeLessThan(600)
    await keel.change({ day: { hard_cost: hard / 2 } })
    await expect(keel.inference.complete(requestWith())).rejects.toMatchObject({ kind: 'budget_exhausted' })
  })

  test('is left to the model where nothing can be spent', async () => {
    const keel = await openBudgetScene({ budgets: { day: { hard_cost: 0 } }, models: ['free'] })
    await keel.inference.complete(requestWith())
    expect(limits(keel.free.requests)).toEqual([undefined])
  })
})

test('what failed before it used anything is given back, and what broke off is booked as far as it came', async () => {
  const keel = await openBudgetScene({ budgets: { day: { hard_cost: 100 } } })
  const ask = () => keel.inference.complete(requestWith({ stream: true }), { onChunk: () => {} }).catch(() => null)
  keel.paid.script({ status: 400, error: { message: 'no' } })
  await ask()
  await eventually('it is released', async () => (await keel.account('day'))?.reserved_cost === 0)
  expect(await keel.account('day')).toMatchObject({ cost: 0, tokens: 0 })
  keel.paid.script({ chunks: ['word '.repeat(40)], fault: 'reset', afterChunks: 1 })
  await ask()
  const row = await keel.account('day')
  expect(row).toMatchObject({ reserved_cost: 0, reserved_tokens: 0 })
  expect((row?.cost ?? 0) / 1e9).toBeCloseTo((await keel.billed()).cost, 8)
  expect(row?.tokens).toBeGreaterThan(40)
})

test('each try has a reservation of its own', async () => {
  const keel = await openBudgetScene({ budgets: { day: { hard_cost: 100 } } })
  keel.paid.script([{ status: 500 }, { status: 500 }, {}])
  await keel.inference.complete(requestWith())
  expect(keel.paid.requests).toHaveLength(3)
  await eventually('all of them are released', async () => (await keel.account('day'))?.reserved_cost === 0)
  expect(await keel.account('day')).toMatchObject({ tokens: used.tokens })
})

test('a process that is told to end books what its calls have used by then', async () => {
  const keel = await openBudgetScene({ budgets: { day: { hard_cost: 100 } } })
  const heard = Promise.withResolvers<void>()
  keel.paid.script({ chunks: ['word '.repeat(40)], fault: 'hang', afterChunks: 1 })
  const call = keel.inference.complete(requestWith({ stream: true }), {
    onChunk: (chunk) => void (chunk.type === 'text' && heard.resolve()),
  })
  call.catch(() => {})
  await heard.promise
  keel.endCalls()
  await eventually('the cost is told', async () => (await keel.billed()).calls === 1)
  expect(await keel.account('day')).toMatchObject({ reserved_cost: 0, unsettled_cost: 0 })
  expect((await keel.account('day'))?.tokens).toBeGreaterThan(40)
})

test('and tells it before it is gone', async () => {
  const upstream = await startUpstream({ chunks: ['word '.repeat(40)], fault: 'hang', afterChunks: 1 })
  const service = await forkInference({ settings: settingsWith([providerAt('mock', upstream.url)]) })
  onTestFinished(() => upstream.close())
  const heard = Promise.withResolvers<void>()
  const call = service.inference.complete(requestWith({ stream: true }), {
    onChunk: (chunk) => void (chunk.type === 'text' && heard.resolve()),
  })
  call.catch(() => {})
  await heard.promise
  service.stop()
  await once(service.child, 'close')
  await nextTick()
  expect(service.kept.costs).toMatchObject([{ model: 'mock/m', estimated: true, quality_score: null }])
  expect(service.kept.costs[0]?.tokens_out).toBeGreaterThan(40)
})

test('vectors are paid for as well', async () => {
  const keel = await openBudgetScene({ budgets: { api_key: { hard_cost: 1 } } })
  const embed = (text: string) =>
    keel.inference.embed({ model: 'paid/m', input: [text], account: { api_key: 'bearer:1' } })
  await embed('short')
  expect((await keel.account('api_key', 'bearer:1'))?.cost).toBeGreaterThan(0)
  await expect(embed('long '.repeat(300))).rejects.toMatchObject({ kind: 'budget_exhausted' })
  await expect(keel.inference.embed({ model: 'paid/m', input: ['long '.repeat(300)] })).resolves.toMatchObject({
    model: 'paid/m',
  })
})

test('no line, no question to the kernel', async () => {
  const keel = await openBudgetScene({ models: ['free'] })
  await keel.inference.complete(requestWith({ account: accountOf({ session_id: 's' }) }))
  expect(keel.asked).toEqual([])
  await keel.change({ session: { hard_tokens: 100_000 } })
  await keel.inference.complete(requestWith())
  expect(keel.asked).toEqual([])
  await keel.inference.complete(requestWith({ account: accountOf({ session_id: 's' }) }))
  expect(keel.asked).toEqual(['standings', 'reserve'])
})
