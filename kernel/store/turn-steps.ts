import { timestamp } from '#sdk/ids.ts'
import { type ContextPlan, type TurnStep, turnStep } from '#sdk/services/agent.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

interface StepRow {
  step_json: string
  attempt: number
}

/** A turn's journal, in order. */
export function listSteps(db: ReadableDb, turnId: string): TurnStep[] {
  const rows = sql(db, 'SELECT step_json FROM turn_steps WHERE turn_id = ? ORDER BY seq').all(turnId) as StepRow[]
  return rows.map((row) => turnStep.parse(JSON.parse(row.step_json)))
}

/** The step and the attempt that wrote it last. */
export function findStep(db: ReadableDb, turnId: string, seq: number): { step: TurnStep; attempt: number } | undefined {
  const row = sql(db, 'SELECT step_json, attempt FROM turn_steps WHERE turn_id = ? AND seq = ?').get(turnId, seq) as
    | StepRow
    | undefined
  return row && { step: turnStep.parse(JSON.parse(row.step_json)), attempt: row.attempt }
}

/** What a turn's models were shown and answered, in order, without what its tools did. */
export function listModelSteps(db: ReadableDb, turnId: string): Exclude<TurnStep, { kind: 'tool' }>[] {
  const rows = sql(
    db,
    `SELECT step_json FROM turn_steps WHERE turn_id = ? AND kind IN ('context', 'inference') ORDER BY seq`,
  ).all(turnId) as StepRow[]
  return rows.map((row) => turnStep.parse(JSON.parse(row.step_json))).filter((step) => step.kind !== 'tool')
}

/** What the model of this turn was shown, as it was decided. */
export function findContextPlan(db: ReadableDb, turnId: string): ContextPlan | undefined {
  const row = sql(db, `SELECT step_json, attempt FROM turn_steps WHERE turn_id = ? AND kind = 'context'`).get(turnId) as
    | StepRow
    | undefined
  const step = row && turnStep.parse(JSON.parse(row.step_json))
  return step?.kind === 'context' ? step.plan : undefined
}

export function saveStep(db: WritableDb, turnId: string, attempt: number, step: TurnStep): void {
  sql(
    db,
    `INSERT INTO turn_steps (turn_id, seq, kind, status, attempt, step_json, updated_at)
     VALUES (@turnId, @seq, @kind, @status, @attempt, @json, @now)
     ON CONFLICT (turn_id, seq) DO UPDATE SET status = excluded.status, attempt = excluded.attempt, step_json = excluded.step_json, updated_at = excluded.updated_at`,
  ).run({
    turnId,
    seq: step.seq,
    kind: step.kind,
    status: step.kind === 'context' ? 'done' : step.status,
    attempt,
    json: JSON.stringify(step),
    now: timestamp(),
  })
}

export interface ContextSnapshotRow {
  turn_id: string
  complexity_level: 'L0' | 'L1' | 'L2' | 'L3'
  complexity_score: number
  token_budget: number
  system_prompt_tokens: number
  memory_tokens: number
  history_tokens: number
  history_depth: number
  tool_definition_tokens: number
  dropped_history: number
  created_at: string
}

/** What is told of a turn that left no snapshot of its context. */
export const noSnapshot: ContextSnapshotRow = {
  turn_id: '',
  complexity_level: 'L1',
  complexity_score: 0,
  token_budget: 0,
  system_prompt_tokens: 0,
  memory_tokens: 0,
  history_tokens: 0,
  history_depth: 0,
  tool_definition_tokens: 0,
  dropped_history: 0,
  created_at: '',
}

export function saveContextSnapshot(db: WritableDb, turnId: string, plan: ContextPlan): void {
  sql(
    db,
    `INSERT OR REPLACE INTO context_snapshots
       (turn_id, complexity_level, complexity_score, token_budget, system_prompt_tokens, memory_tokens, history_tokens, history_depth, tool_definition_tokens, dropped_history, created_at)
     VALUES
       (@turn_id, @complexity_level, @complexity_score, @token_budget, @system_prompt_tokens, @memory_tokens, @history_tokens, @history_depth, @tool_definition_tokens, @dropped_history, @created_at)`,
  ).run({
    turn_id: turnId,
    complexity_level: plan.complexity_level,
    complexity_score: plan.complexity_score,
    token_budget: plan.token_budget,
    system_prompt_tokens: plan.system_prompt_tokens,
    memory_tokens: plan.memory_tokens,
    history_tokens: plan.history_tokens,
    history_depth: plan.history_message_ids.length,
    tool_definition_tokens: plan.tool_definition_tokens,
    dropped_history: plan.dropped_history,
    created_at: timestamp(),
  })
}

export function findContextSnapshot(db: ReadableDb, turnId: string): ContextSnapshotRow | undefined {
  return sql(db, 'SELECT * FROM context_snapshots WHERE turn_id = ?').get(turnId) as ContextSnapshotRow | undefined
}
