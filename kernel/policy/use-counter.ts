import { maxUsesPerMinute } from './rules.ts'

const minuteMs = 60_000
/** Tools whose uses are remembered; past it, the one counted first is forgotten. */
const maxTools = 1_000

export interface UseCounter {
  /** How often the tool was used in the minute before. */
  recent(tool: string): number
  /** Counts a use that was let through. What was denied, or only asked about, takes nobody's turn. */
  count(tool: string): void
}

export function openUseCounter(now: () => number = Date.now): UseCounter {
  const uses = new Map<string, number[]>()
  const recentUses = (tool: string) => (uses.get(tool) ?? []).filter((use) => use > now() - minuteMs)
  return {
    recent: (tool) => recentUses(tool).length,
    count(tool) {
      const recent = [...recentUses(tool), now()].slice(-maxUsesPerMinute)
      const [oldest] = uses.size >= maxTools && !uses.has(tool) ? uses.keys() : []
      if (oldest !== undefined) uses.delete(oldest)
      uses.set(tool, recent)
    },
  }
}
