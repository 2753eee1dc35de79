import type { ReadableDb } from '#kernel/store/database.ts'
import { findTurn, turnRequest as storedRequest } from '#kernel/store/turns.ts'
import { type Account, noAccount } from '#sdk/budgets.ts'
import { turnRequest } from './turn-request.ts'

/** Who pays for what is done for a turn; nobody in particular for one that is gone. */
export function accountOfTurn(db: ReadableDb, turnId: string): Account {
  const turn = findTurn(db, turnId)
  if (!turn) return noAccount
  const { account } = turnRequest.pick({ account: true }).parse(JSON.parse(storedRequest(db, turnId)))
  return { ...account, session_id: turn.session_id }
}
