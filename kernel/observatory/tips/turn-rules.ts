import type { TurnFacts } from '#kernel/store/turn-facts.ts'
import type { ContextSnapshotRow } from '#kernel/store/turn-steps.ts'
import { count, dollars, percent } from '../figures.ts'
import type { Rule } from '../rule.ts'

/** `snapshot`: what the model was shown is on record. `budget`: of how much. `tokens`: what was sent was counted. */
export type TurnNeed = 'snapshot' | 'budget' | 'tokens'

/** With zeros in place of a snapshot that there is not. */
export type MeasuredTurn = Omit<TurnFacts, 'snapshot'> & { snapshot: ContextSnapshotRow }

/** Models that think before they answer, and may show it. */
const reasoningModel = /claude|deepseek|\bo1\b|\bo3\b/i

/** Every rule about one turn. A share or a count must be past its line, not on it. */
export const turnRules: readonly Rule<MeasuredTurn, TurnNeed>[] = [
  {
    name: 'budget_pressure',
    category: 'budget',
    needs: ['budget'],
    fires({ snapshot }) {
      const used =
        (snapshot.system_prompt_tokens + snapshot.memory_tokens + snapshot.history_tokens) / snapshot.token_budget
      if (used <= 0.9) return undefined
      return {
        severity: used > 0.95 ? 'critical' : 'warning',
        message: `The context filled ${percent(used)} of its budget of ${snapshot.token_budget} tokens.`,
        suggestion: 'Begin a new session for a new subject, or raise context.max_tokens if the model takes more.',
      }
    },
  },
  {
    name: 'system_prompt_heavy',
    category: 'prompt',
    needs: ['budget'],
    fires({ snapshot }) {
      const share = snapshot.system_prompt_tokens / snapshot.token_budget
      if (share <= 0.4) return undefined
      return {
        severity: share > 0.6 ? 'critical' : 'warning',
        message: `The system prompt took ${percent(share)} of the budget.`,
        suggestion: 'Shorten the persona and disable skills that this kind of question does not need.',
      }
    },
  },
  {
    name: 'memory_starvation',
    category: 'memory',
    needs: ['budget'],
    fires({ snapshot }) {
      const share = snapshot.memory_tokens / snapshot.token_budget
      if (share >= 0.1) return undefined
      return {
        severity: 'info',
        message: `Memories took ${percent(share)} of the budget.`,
        suggestion: 'If it should have known something, have it remember that, or look whether recall finds it.',
      }
    },
  },
  {
    name: 'shallow_history',
    category: 'quality',
    needs: ['snapshot'],
    fires({ snapshot: { history_depth: depth } }) {
      if (depth >= 3) return undefined
      return {
        severity: 'info',
        message: `The model saw ${count(depth, 'earlier message')} of the conversation.`,
        suggestion: 'Say in the question what it refers to, or go on in the session where that was said.',
      }
    },
  },
  {
    name: 'high_tool_density',
    category: 'tools',
    needs: [],
    fires({ tool_calls: calls }) {
      if (calls <= 3) return undefined
      return {
        severity: calls > 8 ? 'warning' : 'info',
        message: `The turn made ${calls} tool calls.`,
        suggestion: 'Ask for less at once, or teach a skill that does the usual steps in one.',
      }
    },
  },
  {
    name: 'tool_failures',
    category: 'tools',
    needs: [],
    fires({ tool_calls: calls, tool_failures: failures }) {
      if (failures < 1) return undefined
      const rate = failures / calls
      return {
        severity: rate > 0.5 ? 'critical' : 'warning',
        message: `${failures} of ${count(calls, 'tool call')} failed (${percent(rate)}).`,
        suggestion: "Read the failed calls' errors: a wrong input, a denied permission and a broken tool differ.",
      }
    },
  },
  {
    name: 'expensive_turn',
    category: 'cost',
    needs: [],
    fires({ turn: { cost }, session_mean_cost: mean }) {
      if (cost === null || mean === null || mean <= 0) return undefined
      const ratio = cost / mean
      if (ratio <= 2) return undefined
      return {
        severity: ratio > 5 ? 'critical' : 'warning',
        message: `It cost ${dollars(cost)}, ${ratio.toFixed(1)} times the session's mean of ${dollars(mean)}.`,
        suggestion: 'See which calls and which part of the context made it so, and whether a cheaper model would do.',
      }
    },
  },
  {
    name: 'empty_reasoning',
    category: 'quality',
    needs: [],
    fires({ turn: { model, thinking } }) {
      if (model === null || !reasoningModel.test(model) || (thinking ?? '') !== '') return undefined
      return {
        severity: 'info',
        message: `${model} can reason, and left no trace of it.`,
        suggestion:
          'If the question was hard, ask it to think step by step, or have its provider return the reasoning.',
      }
    },
  },
  {
    name: 'system_prompt_tax',
    category: 'cost',
    needs: ['snapshot', 'tokens'],
    fires(turn) {
      const share = shareOfInput(turn, turn.snapshot.system_prompt_tokens)
      const cost = share * costOfInput(turn)
      if (share <= 0.3 || cost <= 0.01) return undefined
      return {
        severity: cost > 0.05 ? 'warning' : 'info',
        message: `The system prompt was ${percent(share)} of what was sent, and ${dollars(cost)} of the cost.`,
        suggestion: 'Move what is seldom needed out of the persona and into skills, which are read when they fit.',
      }
    },
  },
  {
    name: 'history_cost_dominant',
    category: 'cost',
    needs: ['snapshot', 'tokens'],
    fires(turn) {
      const share = shareOfInput(turn, turn.snapshot.history_tokens)
      if (share <= 0.6) return undefined
      return {
        severity: share > 0.8 ? 'warning' : 'info',
        message: `The history was ${percent(share)} of what was sent.`,
        suggestion: 'Begin a new session when the subject changes; what matters of the old one is remembered.',
      }
    },
  },
  {
    name: 'large_output_ratio',
    category: 'cost',
    needs: ['tokens'],
    fires({ turn }) {
      const [sent, written] = [turn.tokens_in ?? 0, turn.tokens_out ?? 0]
      if (written / sent <= 2 || written <= 2_000) return undefined
      return {
        severity: 'info',
        message: `The answer has ${written} tokens, ${(written / sent).toFixed(1)} times what was sent.`,
        suggestion: 'Say how long the answer may be; output is what costs most.',
      }
    },
  },
  {
    name: 'cached_turn_savings',
    category: 'cost',
    needs: [],
    fires({ turn }) {
      if (!turn.cached) return undefined
      return {
        severity: 'info',
        message: `It was answered from the cache for ${dollars(turn.cost ?? 0)}.`,
        suggestion: 'If the answer was out of date, ask again with no_cache, or shorten cache.exact_match_ttl_seconds.',
      }
    },
  },
]

/** Each call of a turn was sent the context anew. Estimates of tokens may exceed what a provider counts. */
function shareOfInput({ turn, model_calls: calls }: MeasuredTurn, tokens: number): number {
  return Math.min(1, (tokens * calls) / (turn.tokens_in ?? 0))
}

/** Dollars, as the statistics attribute them: by the input's share of the tokens. */
function costOfInput({ turn: { cost, tokens_in, tokens_out } }: MeasuredTurn): number {
  const sent = tokens_in ?? 0
  return ((cost ?? 0) * sent) / (sent + (tokens_out ?? 0))
}
