import { cutOutput } from '#sdk/cut-output.ts'
import { errorTable, toRuntimeError } from '#sdk/errors.ts'
import { payloadBounds } from '#sdk/services/cron-payload.ts'
import type { RunOutcome } from '#sdk/services/scheduler.ts'
import { doneIn } from '#sdk/telemetry/tracing.ts'
import type { ActionDeps, Attempt } from './actions/action.ts'
import { agentTask } from './actions/agent-task.ts'
import { backUp } from './actions/backup.ts'
import { expireSessions } from './actions/expire-sessions.ts'
import { logMessage } from './actions/log-message.ts'
import { metricSnapshot } from './actions/metric-snapshot.ts'
import { pruneRuns } from './actions/prune-runs.ts'
import { recordTransaction } from './actions/record-transaction.ts'
import { remind } from './actions/remind.ts'
import { toolCall } from './actions/tool-call.ts'
import { payloadOf } from './payload.ts'
import { runSpan } from './run-span.ts'

/** Does what the run is for; what goes wrong is an outcome as well. */
export async function perform(attempt: Attempt, deps: ActionDeps): Promise<RunOutcome> {
  return doneIn(runSpan(attempt.job, attempt.run), async (span) => {
    const outcome = await outcomeOf(attempt, deps)
    if (outcome.status === 'error') span.failAs('error')
    return outcome
  })
}

async function outcomeOf(attempt: Attempt, deps: ActionDeps): Promise<RunOutcome> {
  try {
    const output = cutOutput(await act(attempt, deps), payloadBounds.outputBytes)
    return { status: 'success', output, error: null, retryable: false }
  } catch (thrown) {
    const error = toRuntimeError(thrown)
    const { id: job_id, name } = attempt.job
    deps.log.warn(
      { err: error, job_id, run_id: attempt.run.id, attempt: attempt.run.attempt },
      `cron job ${name} failed`,
    )
    return {
      status: 'error',
      output: '',
      error: cutOutput(error.message, payloadBounds.outputBytes),
      retryable: errorTable[error.kind].retry,
    }
  }
}

function act(attempt: Attempt, deps: ActionDeps): string | Promise<string> {
  const payload = payloadOf(attempt.job)
  switch (payload.action) {
    case 'agent_task':
      return agentTask(payload, attempt, deps)
    case 'remind':
      return remind(payload, attempt, deps)
    case 'tool_call':
      return toolCall(payload, attempt, deps)
    case 'log':
      return logMessage(payload, attempt, deps)
    case 'metric_snapshot':
      return metricSnapshot(deps)
    case 'expire_sessions':
      return expireSessions(payload, attempt, deps)
    case 'record_transaction':
      return recordTransaction(payload, attempt, deps)
    case 'consolidate_memory':
      return deps.memory.consolidate().then((report) => JSON.stringify(report))
    case 'backup':
      return backUp(payload, deps)
    case 'prune_runs':
      return pruneRuns(payload, attempt, deps)
    case 'prune':
      return deps.retention.run('job', attempt.signal).then((run) => JSON.stringify(run))
    case 'noop':
      return ''
    case 'http':
      throw new Error('the scheduler calls other servers itself')
  }
}
