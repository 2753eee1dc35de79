/** The text of the JSON object that a model was asked for, without what it says around it; undefined where it holds none. */
export function jsonObjectIn(text: string): string | undefined {
  const from = text.indexOf('{')
  const to = text.lastIndexOf('}')
  return from < 0 || to < from ? undefined : text.slice(from, to + 1)
}
