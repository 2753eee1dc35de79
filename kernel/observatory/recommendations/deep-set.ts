import { z } from 'zod'
import type { Config } from '#kernel/config/schema.ts'
import { type DeepRecommendation, deepRecommendation, type Recommendation } from '#sdk/contracts/recommendations.ts'
import { said, section } from '../analysis/answer.ts'
import { harmless } from '../analysis/quoted.ts'
import { reviewer } from '../analysis/turn-question.ts'
import type { Behaviour } from './behaviour.ts'
import { byPriority } from './recommend.ts'

/** Of one set; what is beyond is left out. */
const maxRecommendations = 8
/** Models whose figures are shown, those that answered most. */
const maxModels = 20
/** Characters. */
const maxSummary = 1_200
const maxTitle = 120
const maxSentence = 600
const maxName = 256
/** Of the settings, as JSON. */
const maxSettings = 4_096

/** What a model answers when it is asked for advice. */
export const deepAnswer = z.object({
  summary: said(maxSummary),
  recommendations: z
    .array(
      z.object({
        category: deepRecommendation.shape.category,
        priority: deepRecommendation.shape.priority,
        title: said(maxTitle),
        explanation: said(maxSentence),
        action: said(maxSentence),
        evidence: said(maxSentence),
      }),
    )
    .transform((all) => all.toSorted(byPriority).slice(0, maxRecommendations)),
})
export type DeepAnswer = z.infer<typeof deepAnswer>

const categories = deepRecommendation.shape.category.options.join(', ')

export const deepInstructions = `${reviewer}
You are shown how the agent was used in a period, what fixed rules advise, and the settings that bear on it.
Say what the figures mean together, and advise what the rules do not say or should say more precisely.
Answer with one JSON object and nothing else:
{"summary":"…","recommendations":[{"category":"…","priority":"High","title":"…","explanation":"…","action":"…","evidence":"…"}]}
summary: three to six sentences for the person who runs the agent.
recommendations: at most ${maxRecommendations}; category is one of ${categories}; priority is Low, Medium or High; action is one concrete sentence; evidence names the figures it rests on.
Plain sentences without Markdown, links or HTML.`

/** The period as a model is to see it; it holds figures and names, and nothing that was said. */
export function deepQuestion(
  { profile, models, config, turn_cost }: Behaviour,
  rules: readonly Recommendation[],
): string {
  const used = models
    .toSorted((left, right) => right.turns - left.turns)
    .slice(0, maxModels)
    .map((one) => ({ ...one, model: harmless(one.model, maxName) }))
  const { models_used: _names, model_stats: _stats, ...figures } = profile
  const advised = rules.map(
    ({ id, priority, title, explanation }) =>
      `- ${priority}, ${id}: ${harmless(`${title}. ${explanation}`, maxSentence)}`,
  )
  return [
    `Figures (dollars, tokens, shares 0 to 1, grades of 5):\n${JSON.stringify({ ...figures, turn_cost, models: used })}`,
    advised.length === 0 ? 'The rules advise nothing.' : `What the rules advise:\n${advised.join('\n')}`,
    `Settings:\n${harmless(JSON.stringify(settingsShown(config)), maxSettings)}`,
  ].join('\n\n')
}

/** No address, no key, nothing of people. */
function settingsShown({ models, cache, context, memory }: Config) {
  const { mode, cost_aware, cost_weight, local_first, accuracy_floor, blocked_models } = models.routing
  return {
    models: {
      primary: models.primary,
      fallbacks: models.fallbacks,
      routing: { mode, cost_aware, cost_weight, local_first, accuracy_floor, blocked_models },
    },
    cache: { enabled: cache.enabled, exact_match_ttl_seconds: cache.exact_match_ttl_seconds },
    context: { max_tokens: context.max_tokens },
    memory: { extract_by_model: memory.extract_by_model },
  }
}

/** The same from rules alone. */
export function answerOfRules(rules: readonly Recommendation[]): DeepAnswer {
  return {
    summary:
      rules.length === 0
        ? 'The rules find nothing to advise for this period.'
        : `The rules advise ${rules.length === 1 ? 'one thing' : `${rules.length} things`}. First: ${rules[0]?.title}.`,
    recommendations: rules.map(({ category, priority, title, explanation, action, evidence }) => ({
      category,
      priority,
      title,
      explanation,
      action,
      evidence: evidence.map(({ metric, value, context }) => `${metric}: ${value} (${context})`).join('; '),
    })),
  }
}

/** Markdown of parts that are harmless by themselves. */
export function deepMarkdown({ summary, recommendations }: DeepAnswer): string {
  return [summary, ...section('Recommendations', recommendations.map(line))].join('\n\n')
}

function line({ priority, category, title, explanation, action, evidence }: DeepRecommendation): string {
  return `- **${priority}, ${category}: ${title}** ${explanation} ${action} (${evidence})`
}
