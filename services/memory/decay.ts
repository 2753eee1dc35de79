/** What is left of an old entry's importance at the least, as a share. */
export const decayFloor = 0.05

const dayMs = 86_400_000

export function ageDays(since: string, now: string): number {
  const age = (Date.parse(now) - Date.parse(since)) / dayMs
  return Number.isFinite(age) ? Math.max(0, age) : 0
}

/** How much an event still counts: half after each half-life, from the importance it began with. */
export function effectiveImportance(
  { importance, created_at }: { importance: number; created_at: string },
  now: string,
  halfLifeDays: number,
): number {
  return importance * Math.max(decayFloor, 0.5 ** (ageDays(created_at, now) / halfLifeDays))
}
