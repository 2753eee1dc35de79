import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export type ApprovalScope = 'once' | 'session' | 'always'

export interface ApprovalRow {
  id: string
  tool_name: string
  tool_version: string
  /** JSON text, in full. */
  tool_input: string
  /** Digest of the tool, its version and its input: what is approved is this and nothing else. */
  subject: string
  turn_id: string | null
  seq: number | null
  session_id: string | null
  agent_id: string | null
  channel: string
  requested_authority: Authority
  risk_level: RiskLevel
  policy_rule: string
  policy_reason: string | null
  status: 'pending' | 'approved' | 'denied' | 'timed_out'
  scope: ApprovalScope | null
  decided_by: string | null
  decided_at: string | null
  reason: string | null
  /** When the call that it allows was begun. */
  used_at: string | null
  timeout_at: string
  created_at: string
}

export type NewApproval = Pick<
  ApprovalRow,
  | 'tool_name'
  | 'tool_version'
  | 'tool_input'
  | 'subject'
  | 'turn_id'
  | 'seq'
  | 'session_id'
  | 'agent_id'
  | 'channel'
  | 'requested_authority'
  | 'risk_level'
  | 'policy_rule'
  | 'policy_reason'
  | 'timeout_at'
>

export function insertApproval(db: WritableDb, approval: NewApproval): ApprovalRow {
  return sql(
    db,
    `INSERT INTO approval_requests
       (id, tool_name, tool_version, tool_input, subject, turn_id, seq, session_id, agent_id, channel, requested_authority,
        risk_level, policy_rule, policy_reason, status, timeout_at, created_at)
     VALUES
       (@id, @tool_name, @tool_version, @tool_input, @subject, @turn_id, @seq, @session_id, @agent_id, @channel, @requested_authority,
        @risk_level, @policy_rule, @policy_reason, 'pending', @timeout_at, @now)
     RETURNING *`,
  ).get({ id: newId(), ...approval, now: timestamp() }) as ApprovalRow
}

export function findApproval(db: ReadableDb, id: string): ApprovalRow | undefined {
  return sql(db, 'SELECT * FROM approval_requests WHERE id = ?').get(id) as ApprovalRow | undefined
}

export function loadApproval(db: ReadableDb, id: string): ApprovalRow {
  const approval = findApproval(db, id)
  if (!approval) throw new RuntimeError('not_found', `approval request ${id} not found`)
  return approval
}

export function findApprovalOfStep(db: ReadableDb, turnId: string, seq: number): ApprovalRow | undefined {
  return sql(db, 'SELECT * FROM approval_requests WHERE turn_id = ? AND seq = ?').get(turnId, seq) as
    | ApprovalRow
    | undefined
}

export function listPendingApprovals(db: ReadableDb): ApprovalRow[] {
  const text = `SELECT * FROM approval_requests WHERE status = 'pending' ORDER BY rowid DESC`
  return sql(db, text).all() as ApprovalRow[]
}

/** The pending ones' ends, the next one first. */
export function listDeadlines(db: ReadableDb): Pick<ApprovalRow, 'id' | 'timeout_at'>[] {
  const text = `SELECT id, timeout_at FROM approval_requests WHERE status = 'pending' ORDER BY timeout_at`
  return sql(db, text).all() as Pick<ApprovalRow, 'id' | 'timeout_at'>[]
}

/** How many wait, in all and in one session. */
export function countPendingApprovals(db: ReadableDb, sessionId: string | null = null): { all: number; mine: number } {
  const text = `SELECT count(*) AS "all", count(*) FILTER (WHERE session_id = ?) AS mine
    FROM approval_requests WHERE status = 'pending'`
  return sql(db, text).get(sessionId) as { all: number; mine: number }
}

export function pendingApprovalsOfTurn(db: ReadableDb, turnId: string): ApprovalRow[] {
  const text = `SELECT * FROM approval_requests WHERE turn_id = ? AND status = 'pending' ORDER BY seq`
  return sql(db, text).all(turnId) as ApprovalRow[]
}

/** Newest first. */
export function listApprovals(
  db: ReadableDb,
  { status, limit, offset }: { status: ApprovalRow['status'] | null; limit: number; offset: number },
): ApprovalRow[] {
  const text = `SELECT * FROM approval_requests WHERE @status IS NULL OR status = @status
    ORDER BY rowid DESC LIMIT @limit OFFSET @offset`
  return sql(db, text).all({ status, limit, offset }) as ApprovalRow[]
}

export function countApprovals(db: ReadableDb): number {
  return (sql(db, 'SELECT count(*) AS n FROM approval_requests').get() as { n: number }).n
}

export function countApprovalsOfTurn(db: ReadableDb, turnId: string): number {
  const text = 'SELECT count(*) AS n FROM approval_requests WHERE turn_id = ?'
  return (sql(db, text).get(turnId) as { n: number }).n
}

export interface ApprovalDecision {
  status: Exclude<ApprovalRow['status'], 'pending'>
  scope: ApprovalScope | null
  decided_by: string | null
  reason: string | null
}

/** Undefined when it was no longer pending. */
export function decideApproval(db: WritableDb, id: string, decision: ApprovalDecision): ApprovalRow | undefined {
  return sql(
    db,
    `UPDATE approval_requests SET status = @status, scope = @scope, decided_by = @decided_by, reason = @reason, decided_at = @now
     WHERE id = @id AND status = 'pending' RETURNING *`,
  ).get({ id, ...decision, now: timestamp() }) as ApprovalRow | undefined
}

/** Denies what waits for a turn that is over: nobody would go on with it. */
export function withdrawOrphanedApprovals(db: WritableDb): ApprovalRow[] {
  return sql(
    db,
    `UPDATE approval_requests SET status = 'denied', decided_by = 'keel', reason = 'its turn is over', decided_at = ?
     WHERE status = 'pending' AND turn_id IS NOT NULL AND turn_id NOT IN (SELECT id FROM turns WHERE status = 'running')
     RETURNING *`,
  ).all(timestamp()) as ApprovalRow[]
}

/** True for the one that may run the call; whoever comes after it finds it used. */
export function useApproval(db: WritableDb, id: string): boolean {
  const text = `UPDATE approval_requests SET used_at = ? WHERE id = ? AND status = 'approved' AND used_at IS NULL`
  return sql(db, text).run(timestamp(), id).changes === 1
}

/** Approved calls outside a turn that no process has begun. */
export function listUnusedApprovals(db: ReadableDb): ApprovalRow[] {
  const text = `SELECT * FROM approval_requests
    WHERE status = 'approved' AND turn_id IS NULL AND used_at IS NULL ORDER BY decided_at`
  return sql(db, text).all() as ApprovalRow[]
}

export interface GrantRow {
  id: string
  subject: string
  /** null: in every session. */
  session_id: string | null
  approval_id: string
  tool_name: string
  tool_input: string
  /** Of whom it was asked for: those who are trusted less ask for themselves. */
  authority: Authority
  decided_by: string
  created_at: string
}

export function insertGrant(db: WritableDb, grant: Omit<GrantRow, 'id' | 'created_at'>): void {
  sql(
    db,
    `INSERT INTO approval_grants (id, subject, session_id, approval_id, tool_name, tool_input, authority, decided_by, created_at)
     VALUES (@id, @subject, @session_id, @approval_id, @tool_name, @tool_input, @authority, @decided_by, @now)
     ON CONFLICT DO NOTHING`,
  ).run({ id: newId(), ...grant, now: timestamp() })
}

/** The standing approvals of exactly this, in this session or in all. */
export function findGrants(db: ReadableDb, subject: string, sessionId: string | null): GrantRow[] {
  const text = 'SELECT * FROM approval_grants WHERE subject = ? AND (session_id IS NULL OR session_id = ?)'
  return sql(db, text).all(subject, sessionId) as GrantRow[]
}

export function countGrants(db: ReadableDb): number {
  return (sql(db, 'SELECT count(*) AS n FROM approval_grants').get() as { n: number }).n
}

export function listGrants(db: ReadableDb): GrantRow[] {
  return sql(db, 'SELECT * FROM approval_grants ORDER BY rowid DESC').all() as GrantRow[]
}

export function deleteGrant(db: WritableDb, id: string): GrantRow | undefined {
  return sql(db, 'DELETE FROM approval_grants WHERE id = ? RETURNING *').get(id) as GrantRow | undefined
}
