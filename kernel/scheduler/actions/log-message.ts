import type { ActionDeps, Attempt, PayloadOf } from './action.ts'
import { agentTask } from './agent-task.ts'

const placeholder = 'scheduled job:'

/** A line in the log. A message that only names or repeats what the job is for stands for doing it. */
export function logMessage(
  { message }: PayloadOf<'log'>,
  attempt: Attempt,
  deps: ActionDeps,
): string | Promise<string> {
  const { id: job_id, description } = attempt.job
  const isPlaceholder = message === description || message.toLowerCase().startsWith(placeholder)
  if (description !== null && isPlaceholder) return agentTask({ task: description }, attempt, deps)
  deps.log.info({ job_id, run_id: attempt.run.id }, message)
  return message
}
