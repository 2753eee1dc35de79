/** Without what was not given. */
export function given<T extends Record<string, unknown>>(values: T) {
  const present = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(present) as { [K in keyof T]: Exclude<T[K], undefined> }
}
