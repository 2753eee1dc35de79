import { setTimeout as delay } from 'node:timers/promises'
import { isErrorOf, RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import type { CallContext, Client } from '#sdk/service.ts'
import type { agentService, TurnEnd, TurnJob, TurnStep } from '#sdk/services/agent.ts'
import type { InferenceChunk } from '#sdk/services/inference.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import { planContext } from './context.ts'
import { unansweredEnd } from './failed-answer.ts'
import { inferenceRequest } from './inference-request.ts'
import { readJournal, saidSoFar } from './journal.ts'
import { roundsOfTools } from './limits.ts'
import { type Action, blockedEnd, nextAction } from './next-action.ts'
import { isUnsafe } from './output-scan.ts'
import { recollect } from './recollect.ts'
import { Speech } from './speech.ts'

type Kernel = Client<typeof kernelForAgent>
type RunContext = CallContext<(typeof agentService)['methods']['run']>

/** How often a call to a model is made again when the inference service dies under it. */
const maxInferenceLosses = 6
const lossDelayMs = 250
const parallelTools = 4
const timerSlackMs = 20

interface Workings {
  job: TurnJob
  journal: TurnStep[]
  kernel: Kernel
  signal: AbortSignal
  speech: Speech
}

/** Carries a turn to its end, from wherever its journal stands. */
export async function runTurn(job: TurnJob, { signal, emit }: RunContext, kernel: Kernel): Promise<TurnEnd> {
  const journal = [...job.steps]
  const before = saidSoFar(readJournal(journal, job).rounds)
  const speech = new Speech(emit, { before, hasTools: job.tools.length > 0 })
  const workings: Workings = { job, journal, kernel, signal, speech }
  if (!isUnsafe(before)) await speech.begin()
  const end = await reachEnd(workings)
  await speech.end(end)
  return end
}

async function reachEnd(workings: Workings): Promise<TurnEnd> {
  const { job, journal, kernel, signal } = workings
  for (;;) {
    signal.throwIfAborted()
    const action = nextAction(journal, job, Date.now())
    if (action.do === 'finish') return action.end
    if (action.do === 'plan_context') {
      const now = Date.now()
      const recollection = await recollect(job, now, { kernel, signal, timeoutMs: timeLeft(job) })
      const plan = planContext(job, recollection, now)
      await kernel.saveContext({ ...place(job, action.seq), plan }, { signal })
      record(journal, { kind: 'context', seq: action.seq, plan })
    } else if (action.do === 'call_tools') {
      const end = await callTools(action, workings)
      if (end) return end
    } else {
      const end = await infer(action, workings)
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

/** A little more than the turn has left, so that its time is over when a call is given up for it. */
function timeLeft({ limits }: TurnJob): number {
  return Math.max(0, Date.parse(limits.deadline) - Date.now()) + timerSlackMs
}

/**
 * Runs the tools of one answer, a few at a time. Those still under way when the time is over are let go. Where one waits
 * for a person the turn ends for now: the others are done, and it is asked about again by whoever goes on.
 */
async function callTools(
  { calls }: Extract<Action, { do: 'call_tools' }>,
  { job, journal, kernel, signal }: Workings,
): Promise<TurnEnd | undefined> {
  let awaiting: string | undefined
  const queue = [...calls]
  const failed = new AbortController()
  const options = { signal: AbortSignal.any([signal, failed.signal]), timeoutMs: timeLeft(job) }
  const worker = async () => {
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const { seq, call } = next
        const outcome = await kernel.callTool({ ...place(job, seq), call }, options)
        if (outcome.status === 'awaiting_approval') awaiting = outcome.output
        else record(journal, { kind: 'tool', seq, status: 'done', call, outcome })
      }
    } catch (thrown) {
      failed.abort(thrown)
      throw thrown
    }
  }
  const workers = Array.from({ length: Math.min(parallelTools, calls.length) }, worker)
  const [failure] = (await Promise.allSettled(workers)).filter((settled) => settled.status === 'rejected')
  if (!failure) return awaiting === undefined ? undefined : awaitingEnd(journal, job, awaiting)
  const cause: unknown = failed.signal.reason
  // The limit is what the user is told, and it is the next thing the journal is asked about.
  if (isErrorOf(cause, 'timeout') && Date.now() >= Date.parse(job.limits.deadline)) return undefined
  throw cause
}

function awaitingEnd(journal: readonly TurnStep[], job: TurnJob, reason: string): TurnEnd {
  const { rounds } = readJournal(journal, job)
  return { status: 'awaiting_approval', content: saidSoFar(rounds), reason, react_turns: roundsOfTools(rounds) }
}

/** Asks a model and puts its answer on record; returns the turn's end where there can be no answer. */
async function infer(
  { seq, messages }: Extract<Action, { do: 'infer' }>,
  { job, journal, kernel, signal, speech }: Workings,
): Promise<TurnEnd | undefined> {
  const { plan, rounds } = readJournal(journal, job)
  const request = inferenceRequest(job, { seq, messages, plan, rounds })
  const unsafe = new AbortController()
  async function relay(chunk: InferenceChunk) {
    if (chunk.type === 'selected') speech.setModel(chunk.selection.selected_model)
    if (chunk.type === 'shifted') speech.setModel(chunk.model)
    if (chunk.type === 'text' && !(await speech.add(chunk.delta)))
      unsafe.abort(new RuntimeError('cancelled', 'The answer is unsafe'))
  }
  for (let losses = 0; ; losses++) {
    const timeoutMs = Math.min(timeLeft(job), job.limits.model_call_timeout_ms ?? Number.POSITIVE_INFINITY)
    try {
      const result = await kernel.infer(
        { ...place(job, seq), request },
        { signal: AbortSignal.any([signal, unsafe.signal]), onChunk: relay, timeoutMs },
      )
      record(journal, { kind: 'inference', seq, status: 'done', result })
      const answered = readJournal(journal, job).rounds
      if (!isUnsafe(saidSoFar(answered))) await speech.finish(answered.at(-1)?.text ?? '')
      return undefined
    } catch (thrown) {
      signal.throwIfAborted()
      if (unsafe.signal.aborted) return blockedEnd(rounds)
      const error = toRuntimeError(thrown)
      if (isErrorOf(error, 'cancelled', 'conflict')) throw error
      const lost = isErrorOf(error, 'unavailable', 'outcome_unknown')
      if (!lost || losses >= maxInferenceLosses || Date.now() >= Date.parse(job.limits.deadline))
        return unansweredEnd(error, { job, rounds, heard: speech.heard })
      await speech.rewind()
      await delay(lossDelayMs * losses, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}
