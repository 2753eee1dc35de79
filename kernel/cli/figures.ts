import { duration } from './status.ts'

/** Figures as people read them. */
export function money(dollars: number): string {
  return `$${dollars.toFixed(dollars !== 0 && dollars < 0.01 ? 6 : 4)}`
}

export function took(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : duration(ms / 1_000)
}

export function tokens(count: number): string {
  return count.toLocaleString('en-US')
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
