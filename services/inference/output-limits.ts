import { byModelName } from './by-model-name.ts'

/**
 * Models that refuse a request for a longer answer, in tokens; the others in service take any limit that a budget is
 * likely to set. Compared with the providers' documentation in November 2025.
 */
const limitOf = byModelName({
  'gpt-4': 4_096,
  'gpt-3.5-turbo': 4_096,
  'claude-2': 4_096,
  'claude-3-opus': 4_096,
  'claude-3-sonnet': 4_096,
  'claude-3-haiku': 4_096,
  'claude-3-5-sonnet': 8_192,
  'claude-3-5-haiku': 8_192,
  'gemini-2.0-flash': 8_192,
  'deepseek-chat': 8_192,
})

/** The longest answer that may be asked of a model. */
export function outputLimitOf(model: string): number {
  return limitOf(model) ?? Number.POSITIVE_INFINITY
}
