import { errorTable, isErrorOf, toRuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { kernelForScheduler } from '#sdk/services/kernel.ts'
import type { RunOutcome, SchedulerSettings, TakenRun } from '#sdk/services/scheduler.ts'
import type { Clock } from './clock.ts'

export interface RunContext {
  kernel: Pick<Client<typeof kernelForScheduler>, 'perform'>
  clock: Clock
  holder: string
  settings: Pick<SchedulerSettings, 'allowed_hosts'>
  /** Aborted when the run is no longer this process's to do. */
  signal: AbortSignal
}

/** Does a taken run within its time. null: it is no longer ours to do, and nothing is to be reported of it. */
export async function perform(run: TakenRun, context: RunContext): Promise<RunOutcome | null> {
  const { clock, signal } = context
  const deadline = new AbortController()
  const settled = new AbortController()
  const watch = clock.sleep(run.timeout_ms, AbortSignal.any([signal, settled.signal])).then(() => {
    if (!signal.aborted && !settled.signal.aborted) deadline.abort()
  })
  try {
    return await act(run, context, AbortSignal.any([signal, deadline.signal]))
  } catch (thrown) {
    // The kernel has given it to somebody else.
    if (signal.aborted || isErrorOf(thrown, 'conflict')) return null
    if (deadline.signal.aborted) return failed(`did not end within ${run.timeout_ms / 1_000} s`, true)
    const { kind, message } = toRuntimeError(thrown)
    return failed(message, errorTable[kind].retry)
  } finally {
    settled.abort()
    await watch
  }
}

async function act(run: TakenRun, context: RunContext, signal: AbortSignal): Promise<RunOutcome> {
  const { run_id, attempt, http, idempotency_key, timeout_ms } = run
  if (!http) return await context.kernel.perform({ holder: context.holder, run_id, attempt }, { signal })
  // The client for it is half of what the process would load at its start, and most jobs call nobody.
  const { callHttp } = await import('./http-call.ts')
  return await callHttp(http, {
    idempotencyKey: idempotency_key,
    timeoutMs: timeout_ms,
    signal,
    allowedHosts: context.settings.allowed_hosts,
  })
}

function failed(error: string, retryable: boolean): RunOutcome {
  return { status: 'error', output: '', error, retryable }
}
