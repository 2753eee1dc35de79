import { payerOf } from '#kernel/budgets/payer.ts'
import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { recommendationsRoutes } from '#sdk/contracts/recommendations.ts'

export const recommendationsHandlers: Handlers<typeof recommendationsRoutes, Pick<Context, 'recommendations'>> = {
  listRecommendations: ({ query }, { recommendations }) => recommendations.list(query),

  dismissRecommendation({ params: { id } }, { recommendations }) {
    recommendations.dismiss(id)
    return { id, dismissed: true }
  },

  restoreRecommendation({ params: { id } }, { recommendations }) {
    recommendations.restore(id)
    return { id, dismissed: false }
  },

  generateRecommendations: ({ query, caller, signal }, { recommendations }) =>
    recommendations.generate(query.period, { payer: payerOf(caller), signal }),
}
