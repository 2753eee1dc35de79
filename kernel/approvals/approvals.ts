import { EventEmitter, once } from 'node:events'
import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import {
  type ApprovalDecision,
  type ApprovalRow,
  decideApproval,
  insertApproval,
  insertGrant,
  listPendingApprovals,
  loadApproval,
  type NewApproval,
  pendingApprovalsOfTurn,
} from '#kernel/store/approvals.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'

/** Requests that may wait at once: past it a gated call is denied. */
const maxPending = 256
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
    this.expire()
  }

  request(wanted: Omit<NewApproval, 'timeout_at'>): ApprovalRow {
    const { store, bus, timeoutSeconds } = this.#deps
    if (listPendingApprovals(store.read).length >= maxPending)
      throw new RuntimeError('unavailable', `${maxPending} calls wait for an approval; decide some of them first`)
    const timeout_at = timestamp(Date.now() + timeoutSeconds() * 1000)
    const approval = insertApproval(store.durable, { ...wanted, timeout_at })
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
      const decided = decideApproval(store.durable, id, decision)
      if (decided && decided.status === 'approved' && decided.scope !== 'once') {
        insertGrant(store.durable, {
          subject: decided.subject,
          session_id: decided.scope === 'session' ? decided.session_id : null,
          approval_id: decided.id,
          tool_name: decided.tool_name,
          tool_input: decided.tool_input,
          decided_by: decided.decided_by ?? 'api',
        })
      }
      return decided
    })()
    if (!approval) {
      const known = loadApproval(store.read, id)
      throw new RuntimeError('conflict', `approval request ${id} is already ${statusText(known)}`)
    }
    this.#announce(approval)
    return approval
  }

  /** The requests of a turn that is over are nobody's any more. */
  withdraw(turnId: string): void {
    for (const { id } of pendingApprovalsOfTurn(this.#deps.store.read, turnId)) {
      this.decide(id, { status: 'denied', scope: null, decided_by: 'keel', reason: 'its turn is over' })
    }
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

  close(): void {
    clearTimeout(this.#timer)
  }

  #announce(approval: ApprovalRow): void {
    const { id: request_id, tool_name: tool, decided_by } = approval
    const name = approval.status === 'timed_out' ? 'approval_expired' : 'approval_decided'
    this.#deps.bus.publish(name, { request_id, tool, status: statusText(approval), decided_by })
    this.#decided.emit('decided', approval)
  }

  /** Ends those whose time is over, and looks again when the next one's is. */
  expire(): void {
    const { store, log } = this.#deps
    clearTimeout(this.#timer)
    const now = Date.now()
    let next = Number.POSITIVE_INFINITY
    for (const { id, timeout_at } of listPendingApprovals(store.read)) {
      const at = Date.parse(timeout_at)
      if (at > now) next = Math.min(next, at)
      else {
        const expired = decideApproval(store.durable, id, {
          status: 'timed_out',
          scope: null,
          decided_by: null,
          reason: 'nobody decided in time',
        })
        if (expired) this.#announce(expired)
      }
    }
    if (next === Number.POSITIVE_INFINITY) return
    const look = () => {
      try {
        this.expire()
      } catch (err) {
        log.error({ err }, 'approvals could not be expired')
        this.#timer = setTimeout(look, 1_000)
      }
    }
    this.#timer = setTimeout(look, Math.min(next - now, longestTimerMs)).unref()
  }
}
