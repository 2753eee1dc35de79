import type { Budget, BudgetAccount } from '#sdk/contracts/budgets.ts'
import type { CliSession } from './connection.ts'
import { money, whole } from './figures.ts'

export async function showBudgets({ client, out }: CliSession, { limit }: { limit?: string }): Promise<void> {
  out.value(await client.budgets.listBudgets({ query: { limit } }), ({ day, budgets }) => {
    out.line(`On ${day} (UTC)`)
    out.line()
    const rows = budgets.flatMap((budget) => rowsOf(budget))
    out.table(['BUDGET', 'OF', 'SPENT', 'RESERVED', 'UNSETTLED', 'SOFT', 'HARD', 'LEFT', 'STATE'], rows)
  })
}

/** A row for each account and measure; a budget that nobody has spent of yet tells its lines. */
function rowsOf(budget: Budget): string[][] {
  const measures = ['cost', 'tokens'] as const
  if (budget.accounts.length === 0)
    return measures.flatMap((measure) => {
      const lines = linesOf(budget, measure)
      return lines.hard === null && lines.soft === null ? [] : [rowOf(budget.scope, 'each', measure, lines, undefined)]
    })
  return budget.accounts.flatMap((account) =>
    measures.map((measure) =>
      rowOf(budget.scope, account.key === '' ? 'all' : account.key, measure, linesOf(budget, measure), account),
    ),
  )
}

function linesOf(budget: Budget, measure: 'cost' | 'tokens') {
  return measure === 'cost'
    ? { soft: budget.soft_cost, hard: budget.hard_cost }
    : { soft: budget.soft_tokens, hard: budget.hard_tokens }
}

function rowOf(
  scope: string,
  key: string,
  measure: 'cost' | 'tokens',
  { soft, hard }: { soft: number | null; hard: number | null },
  account: BudgetAccount | undefined,
): string[] {
  const told = (amount: number | null | undefined) =>
    amount == null ? '–' : measure === 'cost' ? money(amount) : `${whole(Math.round(amount))} tokens`
  const amounts = account?.[measure]
  const spent = (amounts?.spent ?? 0) + (amounts?.unsettled ?? 0)
  const state = hard !== null && spent >= hard ? 'used up' : soft !== null && spent >= soft ? 'past its soft line' : ''
  return [
    scope,
    key,
    told(amounts?.spent ?? 0),
    told(amounts?.reserved ?? 0),
    told(amounts?.unsettled ?? 0),
    told(soft),
    told(hard),
    told(amounts ? amounts.left : hard),
    state,
  ]
}
