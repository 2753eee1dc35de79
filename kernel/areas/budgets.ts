import { budgetOverview } from '#kernel/budgets/overview.ts'
import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { budgetsRoutes } from '#sdk/contracts/budgets.ts'

export const budgetsHandlers: Handlers<typeof budgetsRoutes, Pick<Context, 'config' | 'store' | 'costs'>> = {
  listBudgets: ({ query }, context) => budgetOverview(query, context),
}
