import type { Payer } from '#kernel/budgets/payer.ts'
import type { ReplayChanges, ReplayStep } from '#sdk/contracts/replays.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import type { ToolCall } from '#sdk/messages.ts'
import type { CallContext, Client, Params, Result, ServiceHandlers } from '#sdk/service.ts'
import type { ContextPlan, TurnStep } from '#sdk/services/agent.ts'
import type { inferenceService } from '#sdk/services/inference.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import type { AnsweredCall } from './recorded-calls.ts'
import { type Answered, toldStep } from './replay-side.ts'

type AgentTerms = ServiceHandlers<typeof kernelForAgent>
type InferMethod = (typeof kernelForAgent)['methods']['infer']
type ToolMethod = (typeof kernelForAgent)['methods']['callTool']

interface LiveReplayDeps {
  inference: Pick<Client<typeof inferenceService>, 'complete'>
  /** The turn on which its cost is booked. */
  turn_id: string
  payer: Payer
  plan: ContextPlan
  changes: ReplayChanges
  isPinned: boolean
  answerCall: (call: ToolCall) => AnsweredCall
  onStep: (step: ReplayStep) => void
}

/**
 * The kernel's side of a replay: a journal in memory, models asked under the changed terms, and tools that never run. An
 * agent process that dies leaves the journal to the next one, as with a turn.
 */
export class LiveReplay implements AgentTerms {
  readonly #deps: LiveReplayDeps
  readonly #steps = new Map<number, TurnStep>()
  readonly #answered = new Map<number, Answered>()
  #attempt = 0
  /** Why no model was asked, where the request itself is at fault. */
  refusal: RuntimeError | undefined

  constructor(deps: LiveReplayDeps) {
    this.#deps = deps
    this.#steps.set(0, { kind: 'context', seq: 0, plan: deps.plan })
  }

  /** In order. */
  get steps(): TurnStep[] {
    return [...this.#steps.values()].sort((left, right) => left.seq - right.seq)
  }

  /** Steps of older attempts are refused from here on. */
  beginAttempt(): number {
    this.#attempt += 1
    return this.#attempt
  }

  answeredAt = (seq: number): Answered => this.#answered.get(seq) ?? 'simulated'

  recall = (): never => {
    throw new RuntimeError('conflict', 'A replay remembers what its turn did')
  }

  saveContext = (): never => {
    throw new RuntimeError('conflict', 'A replay has its context already')
  }

  infer = async (
    { attempt, seq, request }: Params<InferMethod>,
    { signal, emit }: CallContext<InferMethod>,
  ): Promise<Result<InferMethod>> => {
    this.#requireCurrent(attempt)
    const known = this.#steps.get(seq)
    if (known?.kind === 'inference' && known.result) return known.result
    const { inference, turn_id, payer, changes, isPinned } = this.#deps
    const { temperature, max_tokens } = changes
    try {
      const result = await inference.complete(
        {
          ...request,
          ...(temperature !== undefined && { temperature }),
          ...(max_tokens !== undefined && { max_tokens }),
          turn_id,
          account: payer,
          purpose: 'replay',
          fallback: !isPinned,
          cache_scope: null,
        },
        { signal, onChunk: emit },
      )
      this.#requireCurrent(attempt)
      this.#keep({ kind: 'inference', seq, status: 'done', result })
      return result
    } catch (thrown) {
      if (isErrorOf(thrown, 'not_found', 'invalid')) this.refusal = thrown
      throw thrown
    }
  }

  callTool = ({ attempt, seq, call }: Params<ToolMethod>): Result<ToolMethod> => {
    this.#requireCurrent(attempt)
    const known = this.#steps.get(seq)
    if (known?.kind === 'tool' && known.outcome) return known.outcome
    const { outcome, answered } = this.#deps.answerCall(call)
    this.#answered.set(seq, answered)
    this.#keep({ kind: 'tool', seq, status: 'done', call, outcome })
    return outcome
  }

  #keep(step: TurnStep): void {
    this.#steps.set(step.seq, step)
    for (const told of toldStep(step, this.answeredAt)) this.#deps.onStep(told)
  }

  #requireCurrent(attempt: number): void {
    if (attempt !== this.#attempt)
      throw new RuntimeError('conflict', `attempt ${attempt} of the replay has been taken over`)
  }
}
