import { duration } from './status.ts'

/* Figures as people read them. */

/** Small sums with as many digits as say something. */
export function money(dollars: number): string {
  const size = Math.abs(dollars)
  return `$${dollars.toFixed(size >= 1 || size === 0 ? 2 : size < 0.01 ? 6 : 4)}`
}

export function took(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : duration(ms / 1_000)
}

export function whole(count: number): string {
  return count.toLocaleString('en')
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
