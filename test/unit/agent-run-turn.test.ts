import { expect, test } from 'vitest'
import { RuntimeError } from '#sdk/errors.ts'
import type { TurnChunk, TurnJob } from '#sdk/services/agent.ts'
import type { InferenceRequest } from '#sdk/services/inference.ts'
import { runTurn } from '../../services/agent/run-turn.ts'
import {
  contextStep,
  inferenceResult,
  inferenceStep,
  success,
  toolCall,
  toolStep,
  turnJob,
} from '../support/turn-fixtures.ts'

type Kernel = Parameters<typeof runTurn>[2]

function kernelWith(given: Partial<Kernel>): Kernel {
  return {
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
  const requests: Partial<InferenceRequest>[] = []
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
    kernelWith({ saveContext: nothing, infer: nothing, callTool: nothing }),
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
