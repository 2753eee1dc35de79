import { maxUsesPerMinute } from './rules.ts'

const minuteMs = 60_000
/** Tools whose uses are remembered; past it, the one counted first is forgotten. */
const maxTools = 1_000

/** Counts a use of the tool, whatever comes of it, and says how many there were in the minute before, this one included. */
export function openUseCounter(now: () => number = Date.now): (tool: string) => number {
  const uses = new Map<string, number[]>()
  return (tool) => {
    const at = now()
    const recent = [...(uses.get(tool) ?? []).filter((use) => use > at - minuteMs), at].slice(-(maxUsesPerMinute + 1))
    const [oldest] = uses.size >= maxTools && !uses.has(tool) ? uses.keys() : []
    if (oldest !== undefined) uses.delete(oldest)
    uses.set(tool, recent)
    return recent.length
  }
}
