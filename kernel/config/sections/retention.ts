import { integer, section } from '../fields.ts'

const mostDays = 36_500

const days = (fallback: number) => integer(fallback, 0, mostDays)

/** Days that each kind of record is kept; 0 keeps it for ever. What the kinds are: kernel/retention/record-kinds.ts. */
export const retention = section({
  turn_journals: days(180),
  tool_call_contents: days(180),
  model_selections: days(365),
  policy_decisions: days(365),
  approvals: days(365),
  costs: days(0),
  cron_runs: days(90),
  dead_letters: days(90),
  metric_snapshots: days(90),
  analyses: days(365),
  ended_sessions: days(0),
  trash: days(30),
  screenshots: days(30),
})
