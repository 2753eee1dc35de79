/** Models that refuse a request for a longer answer, by the beginning of the name, in tokens; most take any limit. */
const limits: Record<string, number> = {
  'gpt-4-turbo': 4_096,
  'gpt-3.5-turbo': 4_096,
  'claude-3-opus': 4_096,
  'claude-3-sonnet': 4_096,
  'claude-3-haiku': 4_096,
  'claude-3-5': 8_192,
  'gemini-2.0-flash': 8_192,
  'deepseek-chat': 8_192,
}

/** The longest answer that may be asked of a model. */
export function outputLimitOf(model: string): number {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase()
  const known = Object.keys(limits).find((key) => name.startsWith(key))
  return (known === undefined ? undefined : limits[known]) ?? Number.POSITIVE_INFINITY
}
