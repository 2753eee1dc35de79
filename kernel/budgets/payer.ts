import type { Caller } from '#kernel/http/gate.ts'
import type { Account } from '#sdk/budgets.ts'

/** Who pays for what an operator asks beside a conversation. */
export type Payer = Pick<Account, 'api_key'>

/** The key that pays for what a caller asks, by the same name in whichever header it came. */
export function payerOf({ actor }: Pick<Caller, 'actor'>): Payer {
  return { api_key: actor === undefined ? null : actor.slice(actor.indexOf(':') + 1) }
}
