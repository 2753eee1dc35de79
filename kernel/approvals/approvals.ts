import { EventEmitter, once } from 'node:events'
import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import {
  type ApprovalDecision,
  type ApprovalRow,
  countGrants,
  countPendingApprovals,
  decideApproval,
  insertApproval,
  insertGrant,
  listDeadlines,
  loadApproval,
  type NewApproval,
  pendingApprovalsOfTurn,
  withdrawOrphanedApprovals,
} from '#kernel/store/approvals.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { denialText, recordDenial } from './denial.ts'

/** Requests that may wait at once: past it a gated call is denied. */
export const maxPending = 256
/** The same within one session, so that one talker does not take everybody's room. */
export const maxPendingInSession = 32
/** Standing approvals; past it one is taken back before another is given. */
export const maxGrants = 1_000
/** Timers hold no longer than this, in milliseconds; what expires later is looked at again then. */
const longestTimerMs = 3_600_000

const statusTexts = { pending: 'Pending', approved: 'Approved', denied: 'Denied', timed_out: 'TimedOut' } as const
export type ApprovalStatusText = (typeof statusTexts)[keyof typeof statusTexts]

export function statusText({ status }: Pick<ApprovalRow, 'status'>): ApprovalStatusText {
  return statusTexts[status]
}

interface ApprovalDeps {
  store: Store
  bus: EventBus
  log: Logger
  /** How long a request waits for a person, in seconds. */
  timeoutSeconds: () => number
}

/** The calls that wait for a person. They are rows: a decision, or the time's end, finds them whichever kernel runs then. */
export class Approvals {
  readonly #deps: ApprovalDeps
  readonly #decided = new EventEmitter<{ decided: [ApprovalRow] }>().setMaxListeners(0)
  #timer: NodeJS.Timeout | undefined

  constructor(deps: ApprovalDeps) {
    this.#deps = deps
    for (const approval of withdrawOrphanedApprovals(deps.store.durable)) this.announce(approval)
    this.expire()
  }

  /** Why no further request can wait now, or null. */
  fullReason(sessionId: string | null): string | null {
    this.expire()
    const { all, mine } = countPendingApprovals(this.#deps.store.read, sessionId)
    if (mine >= maxPendingInSession) return `${mine} calls of this session wait for an approval already`
    return all >= maxPending ? `${all} calls wait for an approval already` : null
  }

  /** Keeps the request, and with it, or not at all, what `alsoStore` writes. */
  request(
    wanted: Omit<NewApproval, 'timeout_at'>,
    alsoStore: (approval: ApprovalRow, db: WritableDb) => void,
  ): ApprovalRow {
    const { store, bus, timeoutSeconds } = this.#deps
    const timeout_at = timestamp(Date.now() + timeoutSeconds() * 1000)
    const approval = store.durable.transaction(() => {
      const inserted = insertApproval(store.durable, { ...wanted, timeout_at })
      alsoStore(inserted, store.durable)
      return inserted
    })()
    const named = { request_id: approval.id, tool: approval.tool_name }
    bus.publish('pending_approval', named)
    bus.publish('approval_requested', { ...named, status: statusText(approval) })
    this.expire()
    return approval
  }

  /** Throws `not_found`, and `conflict` when somebody, or the time's end, has decided before. */
  decide(id: string, decision: ApprovalDecision): ApprovalRow {
    this.expire()
    const { store } = this.#deps
    const approval = store.durable.transaction(() => {
      const decided = this.#store(id, decision)
      if (decided?.status === 'approved' && decided.scope !== 'once') this.#grant(decided)
      return decided
    })()
    if (!approval) {
      const known = loadApproval(store.read, id)
      throw new RuntimeError('conflict', `approval request ${id} is already ${statusText(known)}`)
    }
    this.announce(approval)
    return approval
  }

  /** Resolves once nothing of the turn waits for a person; rejects with the signal. */
  async settled(turnId: string, signal: AbortSignal): Promise<void> {
    while (pendingApprovalsOfTurn(this.#deps.store.read, turnId).length > 0) {
      await once(this.#decided, 'decided', { signal })
    }
  }

  onDecided(listener: (approval: ApprovalRow) => void): void {
    this.#decided.on('decided', listener)
  }

  /** Tells of a decision that is stored. */
  announce(approval: ApprovalRow): void {
    const { id: request_id, tool_name: tool, decided_by } = approval
    const name = approval.status === 'timed_out' ? 'approval_expired' : 'approval_decided'
    this.#deps.bus.publish(name, { request_id, tool, status: statusText(approval), decided_by })
    this.#decided.emit('decided', approval)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  /** Within the decision's transaction: what can not stand leaves the request undecided. */
  #grant({
    id,
    subject,
    session_id,
    tool_name,
    tool_input,
    requested_authority,
    decided_by,
    scope,
  }: ApprovalRow): void {
    const { durable } = this.#deps.store
    // Without a session it would hold everywhere.
    if (scope === 'session' && session_id === null)
      throw new RuntimeError('invalid', `scope: 'session' needs a call that was made in a session; this one was not`)
    if (countGrants(durable) >= maxGrants)
      throw new RuntimeError('conflict', `there are ${maxGrants} standing approvals; take some back first`)
    insertGrant(durable, {
      subject,
      session_id: scope === 'session' ? session_id : null,
      approval_id: id,
      tool_name,
      tool_input,
      authority: requested_authority,
      decided_by: decided_by ?? 'api',
    })
  }

  /** Ends those whose time is over, and looks again when the next one's is. */
  expire(): void {
    clearTimeout(this.#timer)
    const now = Date.now()
    const deadlines = listDeadlines(this.#deps.store.read)
    for (const { id, timeout_at } of deadlines) if (Date.parse(timeout_at) <= now) this.#timeOut(id)
    const next = deadlines.find(({ timeout_at }) => Date.parse(timeout_at) > now)
    if (next) this.#lookIn(Math.min(Date.parse(next.timeout_at) - now, longestTimerMs))
  }

  #timeOut(id: string): void {
    const reason = 'nobody decided in time'
    const decision = { status: 'timed_out', scope: null, decided_by: null, reason } as const
    const expired = this.#deps.store.durable.transaction(() => this.#store(id, decision))()
    if (expired) this.announce(expired)
  }

  #store(id: string, decision: ApprovalDecision): ApprovalRow | undefined {
    const { durable } = this.#deps.store
    const decided = decideApproval(durable, id, decision)
    const denial = decided && denialText(decided)
    if (decided && denial !== undefined) recordDenial(durable, decided, denial)
    return decided
  }

  #lookIn(ms: number): void {
    const look = () => {
      try {
        this.expire()
      } catch (err) {
        this.#deps.log.error({ err }, 'approvals could not be expired')
        this.#lookIn(1_000)
      }
    }
    clearTimeout(this.#timer)
    this.#timer = setTimeout(look, ms).unref()
  }
}
