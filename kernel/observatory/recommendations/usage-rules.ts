import { count, dollars, percent } from '../figures.ts'
import { type RecommendationRule, savings } from './behaviour.ts'
import { memoryByModel, moreCaching } from './config-change.ts'

/** What a system prompt takes of what is sent, where nothing is on record, 0 to 1. */
const assumedPromptShare = 0.3
/** What of it can be spared. */
const sparedOfPrompt = 0.2

/** Rules about how Keel is asked, what it remembers, which tools it uses, and what that costs. */
export const usageRules: readonly RecommendationRule[] = [
  {
    id: 'specificity_correlation',
    category: 'QueryCrafting',
    fires({ profile: { total_turns: turns, avg_tokens_per_turn: tokens } }) {
      if (turns < 10 || tokens >= 50) return undefined
      return {
        priority: 'Medium',
        title: 'Questions are very short',
        explanation: `A turn has ${tokens.toFixed(0)} tokens on average, over ${count(turns, 'turn')}.`,
        action: 'Say what the answer is for, what it must hold and how long it may be.',
        evidence: [{ metric: 'avg_tokens_per_turn', value: tokens.toFixed(0), context: 'fewer than 50' }],
        estimated_impact: {
          monthly_savings: null,
          quality_change: 'better first answers',
          description: 'Fewer questions that have to be asked again.',
        },
      }
    },
  },
  {
    id: 'follow_up_patterns',
    category: 'QueryCrafting',
    fires({ profile: { total_sessions: sessions, avg_session_length: length } }) {
      if (sessions < 3 || length <= 20) return undefined
      return {
        priority: 'Medium',
        title: 'It takes many messages to get there',
        explanation: `A session has ${length.toFixed(1)} messages on average, over ${count(sessions, 'session')}.`,
        action: 'Put what you would ask next into the first question.',
        evidence: [lengthEvidence(length, 'more than 20')],
        estimated_impact: {
          monthly_savings: null,
          quality_change: 'fewer follow-up questions',
          description: 'Each further message is sent with all those before it.',
        },
      }
    },
  },
  {
    id: 'session_length_sweet',
    category: 'SessionManagement',
    fires({ profile: { total_sessions: sessions, avg_session_length: length } }) {
      if (sessions < 3 || length <= 15 || length > 20) return undefined
      return {
        priority: 'Low',
        title: 'Sessions are about as long as they should get',
        explanation: `A session has ${length.toFixed(1)} messages on average; past 20 the history begins to cost more than it helps.`,
        action: 'Begin a new session when the subject changes.',
        evidence: [lengthEvidence(length, 'between 15 and 20')],
        estimated_impact: null,
      }
    },
  },
  {
    id: 'stale_session_cost',
    category: 'SessionManagement',
    fires(behaviour) {
      const { total_sessions: sessions, avg_session_length: length } = behaviour.profile
      if (sessions < 5 || length <= 25) return undefined
      return {
        priority: 'High',
        title: 'Long sessions send their history again and again',
        explanation: `A session has ${length.toFixed(1)} messages on average, over ${count(sessions, 'session')}, and each turn is sent with what was said before.`,
        action: 'Begin a new session for each subject; what matters of the old one is remembered.',
        evidence: [lengthEvidence(length, 'more than 25')],
        estimated_impact: savings(
          behaviour,
          behaviour.turn_cost * ((length - 12) / length) * 0.3,
          'About 30% of what the messages past the twelfth cost.',
        ),
      }
    },
  },
  {
    id: 'memory_underutilized',
    category: 'MemoryLeverage',
    fires({ profile: { total_turns: turns, memory_retrieval_rate: rate } }) {
      if (turns < 20 || rate >= 0.2) return undefined
      return {
        priority: 'Medium',
        title: 'The memory is seldom of use',
        explanation: `${percent(rate)} of the turns had a memory put before the model.`,
        action: 'Tell it what comes up again and again, and have it remember that.',
        evidence: [{ metric: 'memory_retrieval_rate', value: percent(rate), context: 'below 20%' }],
        estimated_impact: {
          monthly_savings: null,
          quality_change: 'answers that know more of you',
          description: 'Less has to be said again.',
        },
      }
    },
    remedy: memoryByModel,
  },
  {
    id: 'memory_overloaded',
    category: 'MemoryLeverage',
    fires(behaviour) {
      const { total_turns: turns, memory_retrieval_rate: rate, avg_tokens_per_turn: tokens } = behaviour.profile
      if (turns < 20 || rate <= 0.9 || tokens <= 2_000) return undefined
      return {
        priority: 'Medium',
        title: 'Memories are sent with almost every turn',
        explanation: `${percent(rate)} of the turns had memories, and a turn has ${tokens.toFixed(0)} tokens on average.`,
        action: 'Forget what is out of date (keel memory list, keel memory forget).',
        evidence: [
          { metric: 'memory_retrieval_rate', value: percent(rate), context: 'above 90%' },
          { metric: 'avg_tokens_per_turn', value: tokens.toFixed(0), context: 'more than 2000' },
        ],
        estimated_impact: savings(behaviour, 0.15 * behaviour.turn_cost, 'About 15% of what turns cost.'),
      }
    },
  },
  {
    id: 'system_prompt_roi',
    category: 'CostOptimization',
    fires(behaviour) {
      const { total_turns: turns, avg_tokens_per_turn: tokens } = behaviour.profile
      if (turns < 10 || tokens < 1_500) return undefined
      const share = behaviour.system_prompt_share ?? assumedPromptShare
      const known = behaviour.system_prompt_share !== null
      return {
        priority: 'Medium',
        title: 'A shorter system prompt would pay with every turn',
        explanation: `A turn has ${tokens.toFixed(0)} tokens on average, and ${known ? '' : 'by assumption '}${percent(share)} of what is sent is the system prompt.`,
        action: 'Shorten the persona, and disable skills that are seldom of use.',
        evidence: [
          { metric: 'avg_tokens_per_turn', value: tokens.toFixed(0), context: '1500 or more' },
          { metric: 'system_prompt_share', value: percent(share), context: known ? 'of the tokens sent' : 'assumed' },
        ],
        estimated_impact: savings(
          behaviour,
          sparedOfPrompt * share * behaviour.turn_cost,
          "About a fifth of the system prompt's part of the cost.",
        ),
      }
    },
  },
  {
    id: 'caching_opportunity',
    category: 'CostOptimization',
    fires(behaviour) {
      const { total_turns: turns, cache_hit_rate: rate } = behaviour.profile
      if (turns < 10 || rate >= 0.15) return undefined
      return {
        priority: 'High',
        title: 'Few answers come from the cache',
        explanation: `${percent(rate)} of the answers came from the cache, over ${count(turns, 'turn')}.`,
        action: 'Enable the cache and keep its answers for longer; ask the same thing in the same words.',
        evidence: [{ metric: 'cache_hit_rate', value: percent(rate), context: 'below 15%' }],
        estimated_impact: savings(behaviour, 0.2 * behaviour.turn_cost, 'About 20% of what turns cost.'),
      }
    },
    remedy: moreCaching,
  },
  {
    id: 'tool_cost_awareness',
    category: 'CostOptimization',
    fires(behaviour) {
      const { total_turns: turns, tool_success_rate: rate } = behaviour.profile
      if (turns < 10 || rate >= 0.7) return undefined
      return {
        priority: 'Medium',
        title: 'Tool calls that fail are paid for twice',
        explanation: `${percent(rate)} of the tool calls succeeded; after each failure the model is asked again.`,
        action: 'Mend, describe better or disable the tools that fail most.',
        evidence: [{ metric: 'tool_success_rate', value: percent(rate), context: 'below 70%' }],
        estimated_impact: savings(
          behaviour,
          behaviour.turn_cost * (1 - rate) * 0.1,
          `About a tenth of the cost, as far as calls fail; turns cost ${dollars(behaviour.turn_cost)}.`,
        ),
      }
    },
  },
]

function lengthEvidence(length: number, context: string) {
  return { metric: 'avg_session_length', value: length.toFixed(1), context: `messages; ${context}` }
}
