import type { Config } from '#kernel/config/schema.ts'
import { type BudgetMeasure, type BudgetScope, type BudgetSettings, budgetScopes } from '#sdk/budgets.ts'

/** Dollars or tokens; null where there is no such line. */
export interface Line {
  soft: number | null
  hard: number | null
}

export type BudgetLines = Record<BudgetScope, Record<BudgetMeasure, Line>>

/** Where the soft line is drawn that nobody has drawn. */
const softShare = 0.8

/** The lines in force. The day's hard line in dollars is the treasury's unless it has one of its own. */
export function budgetLinesOf({ budgets, treasury }: Pick<Config, 'budgets' | 'treasury'>): BudgetLines {
  const of = (scope: BudgetScope) => {
    const { soft_cost, hard_cost, soft_tokens, hard_tokens } = budgets[scope]
    const ownCost = scope === 'day' ? (hard_cost ?? treasury.daily_inference_budget) : hard_cost
    return { cost: line(soft_cost, ownCost), tokens: line(soft_tokens, hard_tokens) }
  }
  return { day: of('day'), session: of('session'), job: of('job'), subagent: of('subagent'), api_key: of('api_key') }
}

function line(soft: number | null, hard: number | null): Line {
  return { soft: soft ?? (hard === null ? null : hard * softShare), hard }
}

/** The lines as the inference service needs them. */
export function budgetSettingsOf(config: Pick<Config, 'budgets' | 'treasury'>): BudgetSettings {
  const lines = budgetLinesOf(config)
  const kindOf = ({ soft, hard }: Line) => (hard !== null ? 'hard' : soft !== null ? 'soft' : null)
  return {
    scopes: Object.fromEntries(
      budgetScopes.map((scope) => [scope, { cost: kindOf(lines[scope].cost), tokens: kindOf(lines[scope].tokens) }]),
    ) as BudgetSettings['scopes'],
    max_output_tokens: config.budgets.max_output_tokens,
  }
}
