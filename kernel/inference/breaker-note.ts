import type { BreakerStatus } from '#sdk/services/inference.ts'

/** One line for dashboards that look for `open`, else `half`, in it. */
export function breakerNote(breakers: Record<string, BreakerStatus>): string {
  const open = Object.keys(breakers).filter((name) => breakers[name]?.blocked)
  if (open.length > 0) return `open: ${open.join(', ')}`
  const half = Object.values(breakers).filter(({ state }) => state === 'half_open').length
  return half > 0 ? `half: ${half} provider${half === 1 ? '' : 's'}` : 'closed'
}
