import { setRunTurn } from '#kernel/store/cron-runs.ts'
import { loadMessage } from '#kernel/store/messages.ts'
import { listToolCalls } from '#kernel/store/tool-calls.ts'
import { findTurn, type TurnRow } from '#kernel/store/turns.ts'
import { acceptTurn } from '#kernel/turns/accept-turn.ts'
import type { RunningTurn, TurnOutcome } from '#kernel/turns/turn-runner.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { type ActionDeps, type Attempt, authorityOf, type PayloadOf } from './action.ts'

type Ended = Pick<TurnOutcome, 'turn_id' | 'status' | 'content'>

/**
 * A turn of the agent in a session of the job's own, begun once: an attempt that finds it begun waits for it, and only
 * one that failed before it did anything is begun anew.
 */
export async function agentTask(
  payload: Pick<PayloadOf<'agent_task'>, 'task' | 'model'>,
  attempt: Attempt,
  deps: ActionDeps,
): Promise<string> {
  const { run, signal } = attempt
  const begun = run.turn_id === null ? undefined : await endOf(run.turn_id, signal, deps)
  const ended =
    begun && !mayBeginAnew(begun, deps) ? begun : await outcomeOf(await begin(payload, attempt, deps), signal)
  return answerOf(ended, deps)
}

async function begin(
  { task, model }: Pick<PayloadOf<'agent_task'>, 'task' | 'model'>,
  attempt: Attempt,
  deps: ActionDeps,
) {
  const { run, job, signal } = attempt
  const { store, bus, config, inFlight, turns } = deps
  await store.free()
  signal.throwIfAborted()
  const scope = `cron:${job.id}`
  return acceptTurn(
    {
      content: task,
      channel: 'cron',
      scope_key: job.session_target === 'main' ? scope : `${scope}:${run.id}`,
      message_id: run.id,
      model,
      grants: [{ source: 'cron', level: authorityOf(job) }],
      account: { job_id: job.id },
      execution_timeout_ms: job.timeout_seconds * 1000,
      streamed: false,
    },
    {
      store,
      bus,
      config: config.current(),
      inFlight,
      turns: turns(),
      alongside(turn, db) {
        if (!setRunTurn(db, run.id, turn)) throw new RuntimeError('conflict', `cron run ${run.id} is over`)
      },
    },
  )
}

async function endOf(turnId: string, signal: AbortSignal, { store, turns }: ActionDeps): Promise<Ended> {
  const running = turns().find(turnId)
  if (running) return outcomeOf(running, signal)
  const turn = findTurn(store.read, turnId)
  if (!turn) throw new RuntimeError('conflict', `its turn ${turnId} is gone`)
  const { status } = turn
  if (status === 'running' || status === 'appended')
    throw new RuntimeError('unavailable', `its turn ${turnId} goes on later`)
  return { turn_id: turnId, status, content: contentOf(turn, store.read) }
}

function contentOf({ assistant_message_id: id }: TurnRow, db: ActionDeps['store']['read']): string {
  return id === null ? '' : loadMessage(db, id).content
}

/** Whoever waits no longer leaves the turn to the next attempt; it has a deadline of its own. */
async function outcomeOf({ outcome }: RunningTurn, signal: AbortSignal): Promise<Ended> {
  const { promise: left, reject } = Promise.withResolvers<never>()
  const leave = () => reject(signal.reason)
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    return await Promise.race([outcome, left])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

function mayBeginAnew({ turn_id, status }: Ended, { store }: ActionDeps): boolean {
  return status === 'error' && listToolCalls(store.read, turn_id).length === 0
}

function answerOf(ended: Ended, deps: ActionDeps): string {
  const { status, content } = ended
  switch (status) {
    case 'ok':
      return content
    case 'error':
      throw new RuntimeError(mayBeginAnew(ended, deps) ? 'upstream_failed' : 'unprocessable', content)
    case 'limit':
      throw new RuntimeError('unprocessable', `the turn came to one of its limits: ${content}`)
    case 'blocked':
      throw new RuntimeError('forbidden', `the answer was withheld: ${content}`)
    case 'interrupted':
      throw new RuntimeError('unprocessable', 'the turn was cancelled')
  }
}
