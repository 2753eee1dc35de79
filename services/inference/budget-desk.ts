import type { Logger } from 'pino'
import {
  type Account,
  type BudgetMeasure,
  type BudgetRefusal,
  type BudgetSettings,
  type BudgetStanding,
  budgetScopes,
  keyOf,
  type WorstCase,
} from '#sdk/budgets.ts'
import { newId } from '#sdk/ids.ts'
import type { Client } from '#sdk/service.ts'
import type { kernelForInference } from '#sdk/services/kernel.ts'

/** What was set aside for one call. A cost that is recorded with its id settles it. */
export interface Reservation {
  id: string
  /** The call has cost nothing. */
  release(): void
}

export interface BudgetDesk {
  standings(account: Account, signal: AbortSignal): Promise<BudgetStanding[]>
  /** Sets aside what a call may come to, before a byte of it leaves. */
  reserve(call: { account: Account; model: string; worst: WorstCase }, signal: AbortSignal): Promise<Reserved>
  /** A hard line kept a call from a model. */
  noteHardLine(refusal: BudgetRefusal): void
}

export type Reserved = { reservation: Reservation } | { refusal: BudgetRefusal }

type KernelBudgets = Pick<
  Client<typeof kernelForInference>,
  'budgetStandings' | 'reserveBudget' | 'releaseBudget' | 'noteHardLine'
>

/** Asks the kernel, which keeps the books, for all that has to do with budgets. */
export function budgetDesk(kernel: KernelBudgets, holder: string, log: Logger): BudgetDesk {
  return {
    standings: async (account, signal) => (await kernel.budgetStandings({ account }, { signal })).standings,

    async reserve({ account, model, worst }, signal) {
      const id = newId()
      const release = () => {
        kernel.releaseBudget({ id }).catch((err: unknown) => log.error({ err }, 'a reservation could not be released'))
      }
      try {
        const { refusal } = await kernel.reserveBudget({ id, holder, model, account, worst }, { signal })
        return refusal ? { refusal } : { reservation: { id, release } }
      } catch (thrown) {
        // It may have been made all the same.
        release()
        throw thrown
      }
    },

    noteHardLine(refusal) {
      kernel.noteHardLine(refusal).catch((err: unknown) => log.error({ err }, 'a hard line could not be told of'))
    },
  }
}

/** Whether an account has a line for the measure, of any kind or a hard one alone. */
export function hasLine(
  { scopes }: BudgetSettings,
  account: Account,
  measure: BudgetMeasure,
  kind: 'any' | 'hard',
): boolean {
  return budgetScopes.some((scope) => {
    const line = scopes[scope][measure]
    return keyOf(scope, account) !== null && (kind === 'any' ? line !== null : line === 'hard')
  })
}
