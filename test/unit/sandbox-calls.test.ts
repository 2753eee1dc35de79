import { expect, test, vi } from 'vitest'
import { SandboxCalls, type SandboxRun } from '#kernel/plugins/sandbox-calls.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { CallOptions } from '#sdk/service.ts'
import type { GuestAnswer, GuestCall, sandboxService } from '#sdk/services/sandbox.ts'
import { shortLimits } from '../support/sandbox-scene.ts'

type Options = CallOptions<typeof sandboxService.methods.run>

const good: GuestAnswer = { status: 'success', output: 'good', metadata: null, fault: null }

/** A process that the test ends when it likes: every call under way then fails as the supervisor has it. */
function fakeProcess() {
  const underWay = new Map<string, { resolve: (answer: GuestAnswer) => void; reject: (error: unknown) => void }>()
  const seen: string[] = []
  /** Names of calls that end the process as soon as they start. */
  const deadly = new Set<string>()
  let mostAtOnce = 0
  let hold = true
  function crash() {
    const lost = [...underWay.values()]
    underWay.clear()
    for (const call of lost) call.reject(new RuntimeError('outcome_unknown', 'The process ended'))
  }
  function run({ call_id }: Pick<GuestCall, 'call_id'>, options: Options = {}): Promise<GuestAnswer> {
    return new Promise((resolve, reject) => {
      seen.push(call_id)
      underWay.set(call_id, { resolve, reject })
      mostAtOnce = Math.max(mostAtOnce, underWay.size)
      options.onChunk?.({ type: 'started' })
      if (deadly.has(call_id)) queueMicrotask(crash)
      else if (!hold) queueMicrotask(() => answer(call_id))
    })
  }
  function answer(id: string, given = good) {
    underWay.get(id)?.resolve(given)
    underWay.delete(id)
  }
  return {
    run: run as never,
    crash,
    answer,
    seen,
    deadly,
    underWay,
    release() {
      hold = false
      for (const id of underWay.keys()) answer(id)
    },
    get mostAtOnce() {
      return mostAtOnce
    },
    resetMost() {
      mostAtOnce = 0
    },
  }
}

function scene() {
  const process = fakeProcess()
  const strikes: string[] = []
  const ended: string[] = []
  let at = 0
  const calls = new SandboxCalls({
    sandbox: { run: process.run },
    endProcess(reason) {
      ended.push(reason)
      process.crash()
    },
    onStrikes: (plugin) => strikes.push(plugin),
    now: () => at,
  })
  return {
    process,
    strikes,
    ended,
    pass: (ms: number) => {
      at += ms
    },
    run: (id: string, { plugin = id, ...run }: Partial<SandboxRun> & { plugin?: string } = {}) =>
      calls.run(
        { call_id: id, plugin, digest: plugin, tool: 'run', input: {}, settings: {}, host: [], limits: shortLimits },
        { signal: new AbortController().signal, idempotent: false, effects: () => false, ...run },
      ),
  }
}

/** Lets everything that is ready to happen do so. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('a call whose process ended is run again, unless it may have changed something', async () => {
  const { process, run } = scene()
  const harmless = run('harmless')
  const repeatable = run('repeatable', { idempotent: true, effects: () => true })
  const effective = run('effective', { effects: () => true })
  await turn()
  process.crash()
  await expect(effective).rejects.toMatchObject({ kind: 'outcome_unknown' })
  process.release()
  expect(await Promise.all([harmless, repeatable])).toEqual([good, good])
  expect(process.seen).toEqual(['harmless', 'repeatable', 'effective', 'harmless', 'repeatable'])
})

test('suspects run one at a time, and the one that ends the process three times is found', async () => {
  const { process, run, strikes } = scene()
  process.deadly.add('deadly')
  const calls = ['a', 'b', 'deadly', 'c'].map((id) => run(id))
  await turn()
  process.resetMost()
  process.release()
  const answers = await Promise.all(calls)
  expect(answers.map(({ fault }) => fault)).toEqual([null, null, 'crashed', null])
  expect(process.seen.filter((id) => id === 'deadly')).toHaveLength(3)
  expect(process.seen.filter((id) => id === 'a')).toHaveLength(2)
  expect(process.mostAtOnce).toBe(1)
  expect(strikes).toEqual([])
})

test('three strikes within five minutes are told, and older ones are forgotten', async () => {
  const { process, run, strikes, pass } = scene()
  process.deadly.add('deadly')
  for (const wait of [0, 200_000, 200_000]) {
    pass(wait)
    expect(await run('deadly')).toMatchObject({ status: 'error', fault: 'crashed', metadata: { process_ended: true } })
  }
  expect(strikes).toEqual([])
  pass(1_000)
  await run('deadly')
  expect(strikes).toEqual(['deadly'])
})

test('an answer that says it ended the process is a strike as well', async () => {
  const { process, run, strikes } = scene()
  for (let at = 0; at < 3; at++) {
    const answering = run('heavy')
    await turn()
    process.answer('heavy', { status: 'error', output: 'heavy', metadata: { process_ended: true }, fault: 'memory' })
    expect(await answering).toMatchObject({ fault: 'memory' })
  }
  expect(strikes).toEqual(['heavy'])
})

test('a call past its wall clock ends the process; who ran beside it is run again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const { process, run, ended } = scene()
    const stuck = run('stuck')
    await turn()
    vi.advanceTimersByTime(400)
    const beside = run('beside')
    await turn()
    vi.advanceTimersByTime(449)
    await turn()
    expect(ended).toEqual([])
    vi.advanceTimersByTime(1)
    expect(await stuck).toMatchObject({ fault: 'timeout', metadata: { process_ended: true } })
    expect(ended).toEqual([expect.stringContaining('stuck')])
    await turn()
    process.release()
    expect(await beside).toEqual(good)
  } finally {
    vi.useRealTimers()
  }
})

test('at most eight calls run at a time, four of one plugin, and the rest wait their turn', async () => {
  const { process, run } = scene()
  const greedy = Array.from({ length: 10 }, (_, at) => run(`greedy-${at}`, { plugin: 'greedy' }))
  const others = Array.from({ length: 6 }, (_, at) => run(`other-${at}`))
  await turn()
  expect([...process.underWay.keys()]).toEqual([
    ...[0, 1, 2, 3].map((at) => `greedy-${at}`),
    ...[0, 1, 2, 3].map((at) => `other-${at}`),
  ])
  process.answer('greedy-0')
  await turn()
  expect(process.seen.at(-1)).toBe('greedy-4')
  const leaving = new AbortController()
  const waiting = run('waiting', { signal: leaving.signal })
  leaving.abort()
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' })
  process.release()
  expect(await Promise.all([...greedy, ...others])).toHaveLength(16)
})

test('what the service refuses is the caller’s to learn', async () => {
  const refused = new RuntimeError('unavailable', 'The sandbox service is down')
  const calls = new SandboxCalls({
    sandbox: { run: () => Promise.reject(refused) },
    endProcess: () => {},
    onStrikes: () => {},
  })
  const call = { call_id: 'a', plugin: 'a', digest: 'a', tool: 'run', input: {}, settings: {}, host: [] }
  await expect(
    calls.run(
      { ...call, limits: shortLimits },
      { signal: new AbortController().signal, idempotent: true, effects: () => false },
    ),
  ).rejects.toBe(refused)
})
