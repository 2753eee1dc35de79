import { minAnswerTokens } from '#sdk/budgets.ts'
import { integer, optionalInteger, optionalNumber, section } from '../fields.ts'

const mostAnswerTokens = 1_000_000

/** Dollars and tokens; without a line nothing is limited, and with a hard one of 0 nothing may be spent. */
function lines() {
  return section({
    soft_cost: optionalNumber(),
    hard_cost: optionalNumber(),
    soft_tokens: optionalInteger(),
    hard_tokens: optionalInteger(),
  })
}

export const budgets = section({
  day: lines(),
  session: lines(),
  job: lines(),
  subagent: lines(),
  api_key: lines(),
  max_output_tokens: integer(8_192, minAnswerTokens, mostAnswerTokens),
})
