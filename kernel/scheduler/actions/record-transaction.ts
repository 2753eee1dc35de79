import { idempotencyKey } from '#kernel/store/cron-claims.ts'
import { insertTransaction } from '#kernel/store/transactions.ts'
import type { ActionDeps, Attempt, PayloadOf } from './action.ts'

/** Books an amount, once for each time at which the job was due. */
export function recordTransaction(
  payload: PayloadOf<'record_transaction'>,
  { run, job }: Attempt,
  { store }: Pick<ActionDeps, 'store'>,
): string {
  const { amount, tx_type, currency, counterparty, tx_hash } = payload
  const booked = insertTransaction(store.durable, {
    tx_type,
    amount,
    currency,
    counterparty: counterparty ?? null,
    tx_hash: tx_hash ?? null,
    metadata_json: JSON.stringify({ job_id: job.id, run_id: run.id }),
    idempotency_key: idempotencyKey(run),
  })
  return booked ? `recorded ${amount} ${currency}` : `${amount} ${currency} had been recorded before`
}
