import { setTimeout as delay } from 'node:timers/promises'
import { isErrorOf, RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import type { ModelMessage } from '#sdk/messages.ts'
import type { CallContext, Client } from '#sdk/service.ts'
import type { agentService, TurnEnd, TurnJob, TurnStep } from '#sdk/services/agent.ts'
import type { InferenceChunk, InferenceRequest } from '#sdk/services/inference.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import { planContext } from './context.ts'
import { readJournal, saidSoFar } from './journal.ts'
import { type Action, nextAction } from './next-action.ts'
import { joined, Speech } from './speech.ts'

type Kernel = Client<typeof kernelForAgent>
type RunContext = CallContext<(typeof agentService)['methods']['run']>

/** How often a call to a model is made again when the inference service dies under it. */
const maxInferenceLosses = 6
const lossDelayMs = 250
const parallelTools = 4

/** Carries a turn to its end, from wherever its journal stands. */
export async function runTurn(job: TurnJob, { signal, emit }: RunContext, kernel: Kernel): Promise<TurnEnd> {
  const journal = [...job.steps]
  const before = saidSoFar(readJournal(journal, job).rounds)
  const speech = new Speech(emit, { before, hasTools: job.tools.length > 0 })
  await speech.begin()
  for (;;) {
    signal.throwIfAborted()
    const action = nextAction(journal, job, Date.now())
    if (action.do === 'finish') return action.end
    if (action.do === 'plan_context') {
      const plan = planContext(job)
      await kernel.saveContext({ ...place(job, action.seq), plan }, { signal })
      record(journal, { kind: 'context', seq: action.seq, plan })
    } else if (action.do === 'call_tools') {
      await callTools(action, { job, journal, kernel, signal })
    } else {
      const end = await infer(action, { job, journal, kernel, signal, speech })
      if (end) return end
    }
  }
}

function place({ turn_id, attempt }: TurnJob, seq: number) {
  return { turn_id, attempt, seq }
}

function record(journal: TurnStep[], step: TurnStep): void {
  const known = journal.findIndex(({ seq }) => seq === step.seq)
  if (known >= 0) journal[known] = step
  else journal.push(step)
}

interface Workings {
  job: TurnJob
  journal: TurnStep[]
  kernel: Kernel
  signal: AbortSignal
}

async function callTools(
  { calls }: Extract<Action, { do: 'call_tools' }>,
  { job, journal, kernel, signal }: Workings,
): Promise<void> {
  const queue = [...calls]
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { seq, call } = next
      const outcome = await kernel.callTool({ ...place(job, seq), call }, { signal })
      record(journal, { kind: 'tool', seq, status: 'done', call, outcome })
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallelTools, calls.length) }, worker))
}

/** Asks a model and puts its answer on record; returns the turn's end where there can be no answer. */
async function infer(
  { seq, messages }: Extract<Action, { do: 'infer' }>,
  { job, journal, kernel, signal, speech }: Workings & { speech: Speech },
): Promise<TurnEnd | undefined> {
  const unsafe = new AbortController()
  async function relay(chunk: InferenceChunk) {
    if (chunk.type === 'selected') speech.setModel(chunk.selection.selected_model)
    if (chunk.type === 'text' && !(await speech.add(chunk.delta)))
      unsafe.abort(new RuntimeError('cancelled', 'The answer is unsafe'))
  }
  for (let losses = 0; ; losses++) {
    try {
      const result = await kernel.infer(
        { ...place(job, seq), request: requestOf(job, seq, messages) },
        { signal: AbortSignal.any([signal, unsafe.signal]), onChunk: relay, timeoutMs: callTimeout(job) },
      )
      record(journal, { kind: 'inference', seq, status: 'done', result })
      const said = readJournal(journal, job).rounds.at(-1)?.text ?? ''
      return (await speech.finish(said)) ? undefined : await speech.block()
    } catch (thrown) {
      if (unsafe.signal.aborted) return speech.block()
      const error = toRuntimeError(thrown)
      if (isErrorOf(error, 'cancelled', 'conflict')) throw error
      const lost = isErrorOf(error, 'unavailable', 'outcome_unknown')
      if (!lost || losses >= maxInferenceLosses || Date.now() >= Date.parse(job.limits.deadline))
        return failedEnd(error, journal, job)
      await speech.rewind()
      await delay(lossDelayMs * losses, undefined, { signal })
    }
  }
}

function requestOf(job: TurnJob, seq: number, messages: ModelMessage[]): InferenceRequest {
  return {
    request_id: `${job.turn_id}-${seq}`,
    model: job.model,
    messages,
    tools: job.tools,
    fallback: true,
    stream: true,
    cache_scope: null,
    purpose: 'turn',
    turn_id: job.turn_id,
    max_cost: job.limits.max_cost,
  }
}

function callTimeout({ limits }: TurnJob): number {
  const left = Math.max(1, Date.parse(limits.deadline) - Date.now())
  return Math.min(left, limits.model_call_timeout_ms ?? left)
}

/** No model could answer: the user is told why, as an answer. */
function failedEnd(error: RuntimeError, journal: readonly TurnStep[], job: TurnJob): TurnEnd {
  const said = saidSoFar(readJournal(journal, job).rounds)
  return {
    status: 'error',
    content: joined(said, `I could not get an answer from a model: ${error.message}`),
    reason: error.message,
    react_turns: 0,
  }
}
