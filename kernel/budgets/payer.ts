import type { Caller } from '#kernel/http/gate.ts'
import type { Account } from '#sdk/budgets.ts'

/** The key that pays for what a caller asks, by the same name in whichever header it came. */
export function payerOf({ actor }: Pick<Caller, 'actor'>): Pick<Account, 'api_key'> {
  return { api_key: actor === undefined ? null : actor.slice(actor.indexOf(':') + 1) }
}
