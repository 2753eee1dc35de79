import { timestamp } from '#sdk/ids.ts'

const hourMs = 3_600_000
const hoursOf = { '1h': 1, '24h': 24, '7d': 7 * 24, '30d': 30 * 24 }

/** When a period that ends now began; null for all time. */
export function sinceOfPeriod(period: keyof typeof hoursOf | 'all', now: number = Date.now()): string | null {
  return period === 'all' ? null : sinceHours(hoursOf[period], now)
}

export function sinceHours(hours: number, now: number = Date.now()): string {
  return timestamp(now - hours * hourMs)
}
