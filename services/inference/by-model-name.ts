/**
 * Looks a model up by the beginning of its name; the longest that fits counts. The name after the last slash decides, so
 * that an aggregator's `vendor/model` is found as well.
 */
export function byModelName<T>(table: Readonly<Record<string, T>>): (model: string) => T | undefined {
  const longestFirst = Object.keys(table).sort((left, right) => right.length - left.length)
  return (model) => {
    const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase()
    const known = longestFirst.find((key) => name === key || name.startsWith(`${key}-`) || name.startsWith(`${key}:`))
    return known === undefined ? undefined : table[known]
  }
}
