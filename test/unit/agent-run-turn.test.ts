import { once } from 'node:events'
import { expect, test } from 'vitest'
import type { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import { type ContextPlan, contextPlan, type TurnChunk, type TurnJob, type TurnStep } from '#sdk/services/agent.ts'
import type { inferenceRequest } from '#sdk/services/inference.ts'
import { runTurn } from '../../services/agent/run-turn.ts'
import {
  contextStep,
  inferenceResult,
  inferenceStep,
  nothingRecalled,
  recalledMemory,
  success,
  toolCall,
  toolStep,
  turnJob,
} from '../support/turn-fixtures.ts'

type Kernel = Parameters<typeof runTurn>[2]

function kernelWith(given: Partial<Kernel>): Kernel {
  return {
    recall: async () => nothingRecalled,
    saveContext: async () => null,
    infer: async () => inferenceResult({ text: 'Done.' }),
    callTool: async () => success,
    ...given,
  }
}

async function run(kernel: Kernel, job: TurnJob = turnJob(), signal = new AbortController().signal) {
  const chunks: TurnChunk[] = []
  const end = await runTurn(job, { signal, emit: async (chunk) => void chunks.push(chunk) }, kernel)
  return { end, chunks }
}

test('a turn that is cancelled while it waits to ask again says so, and asks no more', async () => {
  const abort = new AbortController()
  let asked = 0
  const kernel = kernelWith({
    infer: async () => {
      // The second loss is followed by a wait.
      if (++asked === 2) setImmediate(() => abort.abort(new RuntimeError('cancelled')))
      throw new RuntimeError('unavailable', 'The inference service ended')
    },
  })
  await expect(run(kernel, turnJob(), abort.signal)).rejects.toMatchObject({ kind: 'cancelled' })
  expect(asked).toBe(2)
})

test('an inference service that does not come back is given up after a bounded number of tries', async () => {
  let asked = 0
  const kernel = kernelWith({
    infer: async () => {
      asked++
      throw new RuntimeError('unavailable', 'The inference service is down')
    },
  })
  const { end } = await run(kernel)
  expect(asked).toBe(7)
  expect(end).toMatchObject({ status: 'error', reason: 'The inference service is down' })
})

test('each call may cost what is left, and carries how hard the question was found to be', async () => {
  const requests: Partial<z.input<typeof inferenceRequest>>[] = []
  const answers = [
    inferenceResult({ tool_calls: [toolCall('read_file')], cost: 0.25 }),
    inferenceResult({ text: 'Done.' }),
  ]
  const kernel = kernelWith({
    infer: async ({ request }) => {
      requests.push(request)
      return answers.shift() ?? inferenceResult()
    },
  })
  await run(kernel, turnJob({ limits: { ...turnJob().limits, max_cost: 1 } }))
  expect(requests.map(({ max_cost }) => max_cost)).toEqual([1, 0.75])
  expect(requests.every(({ complexity }) => typeof complexity === 'number')).toBe(true)
  expect(requests.every(({ stream, cache_scope }) => stream === true && cache_scope === null)).toBe(true)
})

test('a turn whose journal is whole asks for nothing and says everything', async () => {
  const nothing = async () => {
    throw new Error('nothing is left to ask')
  }
  const steps = [
    contextStep(),
    inferenceStep(1, { text: 'Let me look.', tool_calls: [toolCall('read_file')] }),
    toolStep(2, 'read_file'),
    inferenceStep(3, { text: 'Milk.' }),
  ]
  const { end, chunks } = await run(
    kernelWith({ recall: nothing, saveContext: nothing, infer: nothing, callTool: nothing }),
    turnJob({ steps }),
  )
  expect(end.content).toBe('Let me look.\n\nMilk.')
  expect(chunks).toEqual([{ type: 'delta', delta: 'Let me look.\n\nMilk.', model: null }])
})

test('deltas carry the model that answers, also when it is not the one that was chosen', async () => {
  const kernel = kernelWith({
    infer: async (_params, options) => {
      await options?.onChunk?.({ type: 'shifted', model: 'mock/second' })
      await options?.onChunk?.({ type: 'text', delta: 'Milk.' })
      return inferenceResult({ text: 'Milk.' })
    },
  })
  const { chunks } = await run(kernel)
  expect(chunks).toEqual([{ type: 'delta', delta: 'Milk.', model: 'mock/second' }])
})

test('memory is asked once a turn, before its context is planned, and what it says stands before the question', async () => {
  const asked: Parameters<Kernel['recall']>[0][] = []
  const plans: ContextPlan[] = []
  const requests: Partial<z.input<typeof inferenceRequest>>[] = []
  const answers = [inferenceResult({ tool_calls: [toolCall('read_file')] }), inferenceResult({ text: 'Done.' })]
  const kernel = kernelWith({
    recall: async (request) => {
      expect(plans).toEqual([])
      asked.push(request)
      return { ...nothingRecalled, entries: [recalledMemory()] }
    },
    saveContext: async ({ plan }) => {
      plans.push(contextPlan.parse(plan))
      return null
    },
    infer: async ({ request }) => {
      requests.push(request)
      return answers.shift() ?? inferenceResult()
    },
  })
  const history: TurnJob['history'] = [{ id: 'm0', message: { role: 'user', content: 'Hello' } }]
  await run(kernel, turnJob({ attempt: 3, history }))
  expect(asked).toEqual([{ turn_id: 'turn', attempt: 3, budget_tokens: 1_000, shown_message_ids: ['m0', 'question'] }])
  expect(plans.map(({ memory }) => memory.entries.map(({ id }) => id))).toEqual([['memory']])
  expect(requests).toHaveLength(2)
  for (const { messages } of requests) {
    expect(messages?.slice(0, 4).map(({ role }) => role)).toEqual(['system', 'user', 'user', 'user'])
    expect(messages?.[2]?.content).toBe(plans[0]?.memory.text)
    expect(messages?.[3]?.content).toBe('What is in the file?')
  }
})

test.each([
  [new RuntimeError('unavailable', 'The memory service is down'), 'The memory service is down'],
  [new RuntimeError('outcome_unknown', 'The memory service ended'), 'The memory service ended'],
  [new RuntimeError('timeout', 'kernel.recall did not answer within 3000 ms'), 'memory did not answer in time'],
  [new Error('a defect with details'), 'internal server error'],
])('a turn goes on without its memory when that fails, and its plan says why: %s', async (failure, reason) => {
  const plans: ContextPlan[] = []
  const { end } = await run(
    kernelWith({
      recall: async () => {
        throw failure
      },
      saveContext: async ({ plan }) => {
        plans.push(contextPlan.parse(plan))
        return null
      },
    }),
  )
  expect(end).toMatchObject({ status: 'ok', content: 'Done.' })
  expect(plans).toMatchObject([{ memory_tokens: 0, memory: { text: '', entries: [], unavailable: reason } }])
})

test('a turn that another process has taken over stops at its memory', async () => {
  const kernel = kernelWith({
    recall: async () => {
      throw new RuntimeError('conflict', 'attempt 2 has the turn')
    },
    saveContext: async () => {
      throw new Error('nothing may be planned')
    },
  })
  await expect(run(kernel)).rejects.toMatchObject({ kind: 'conflict' })
})

test('a turn that is cancelled while memory is asked ends there', async () => {
  const abort = new AbortController()
  const kernel = kernelWith({
    recall: async (_request, options) => {
      const stopped = once(options?.signal ?? abort.signal, 'abort')
      abort.abort(new RuntimeError('cancelled'))
      await stopped
      throw new RuntimeError('unavailable', 'too late to matter')
    },
    saveContext: async () => {
      throw new Error('nothing may be planned')
    },
  })
  await expect(run(kernel, turnJob(), abort.signal)).rejects.toMatchObject({ kind: 'cancelled' })
})

test('a context without room for memory does not ask for any', async () => {
  const plans: ContextPlan[] = []
  const kernel = kernelWith({
    recall: async () => {
      throw new Error('there is nowhere to put it')
    },
    saveContext: async ({ plan }) => {
      plans.push(contextPlan.parse(plan))
      return null
    },
  })
  await run(kernel, turnJob({ context_max_tokens: 100 }))
  expect(plans[0]?.memory.unavailable).toBe('the context has no room for memory')
})

/** Turns of several rounds, each with up to five tools at once, and now and then an empty answer or a written call. */
function script(seed: number) {
  let state = seed
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
  const answers = Array.from({ length: 1 + random(4) }, (_, round) => {
    const text = ['', 'Looking. ', '\nOne more thing:\n'][random(3)] ?? ''
    if (random(4) === 0)
      return inferenceResult({ text: `${text}\n{"tool_call":{"name":"write_file","params":{"path":"w${round}"}}}` })
    const names = Array.from({ length: 1 + random(5) }, (_, i) => toolCall('read_file', `{"path":"${round}-${i}"}`))
    return inferenceResult({ text, tool_calls: names })
  })
  if (random(2) === 0) answers.splice(random(answers.length + 1), 0, inferenceResult({ text: ' ' }))
  return [...answers, inferenceResult({ text: `Done ${seed}.` })]
}

/** Runs a turn from a journal; tools end in an order of their own. */
async function play(seed: number, steps: TurnStep[]) {
  const answers = script(seed).slice(steps.filter((step) => step.kind === 'inference' && step.result).length)
  const journal: TurnStep[] = []
  let recalled = 0
  const kernel = kernelWith({
    recall: async () => {
      recalled += 1
      return { ...nothingRecalled, entries: [recalledMemory()] }
    },
    saveContext: async ({ seq, plan }) => {
      journal.push({ kind: 'context', seq, plan: contextPlan.parse(plan) })
      return null
    },
    infer: async ({ seq }, options) => {
      const result = answers.shift()
      if (!result) throw new RuntimeError('internal', 'the script is over')
      for (const delta of result.text.match(/[\s\S]{1,3}/g) ?? []) await options?.onChunk?.({ type: 'text', delta })
      journal.push({ kind: 'inference', seq, status: 'done', result })
      return result
    },
    callTool: async ({ seq, call }) => {
      for (let turns = (seq * 7) % 5; turns > 0; turns--) await new Promise(setImmediate)
      journal.push({ kind: 'tool', seq, status: 'done', call, outcome: success })
      return success
    },
  })
  const { end, chunks } = await run(kernel, turnJob({ steps, limits: { ...turnJob().limits, max_steps: 20 } }))
  return { end, heard: heardOf(chunks), journal, recalled }
}

function heardOf(chunks: TurnChunk[]): string {
  return chunks.reduce((heard, chunk) => {
    if (chunk.type === 'delta') return heard + chunk.delta
    return chunk.type === 'content_replaced' ? chunk.content : heard
  }, '')
}

const begun = (step: TurnStep): TurnStep[] => {
  if (step.kind === 'context') return []
  return [
    step.kind === 'tool' ? { ...step, status: 'started', outcome: null } : { ...step, status: 'started', result: null },
  ]
}

test.each(Array.from({ length: 12 }, (_, i) => i + 1))(
  'turn %i goes on from every point of its journal with exactly what is left, and says the same',
  async (seed) => {
    const whole = await play(seed, [])
    expect(whole.recalled).toBe(1)
    expect(whole.end.content).toContain(`Done ${seed}.`)
    expect(whole.heard).toBe(whole.end.content)
    expect(new Set(whole.journal.map(({ seq }) => seq)).size).toBe(whole.journal.length)
    const bySeq = (steps: TurnStep[]) => steps.map(({ seq }) => seq).sort((left, right) => left - right)
    for (let kept = 0; kept <= whole.journal.length; kept++) {
      const done = whole.journal.slice(0, kept)
      const left = whole.journal.slice(kept)
      for (const steps of [done, [...done, ...left.slice(0, 1).flatMap(begun)]]) {
        const rest = await play(seed, steps)
        expect(rest.end).toEqual(whole.end)
        expect(rest.recalled).toBe(steps.some(({ kind }) => kind === 'context') ? 0 : 1)
        expect(rest.heard).toBe(whole.end.content)
        expect(bySeq(rest.journal)).toEqual(bySeq(left))
      }
    }
  },
)
