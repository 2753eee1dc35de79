import { type Fact, fact, type Person, retraction } from './fact.ts'

export interface Heard {
  facts?: Fact[]
  people?: Person[]
}

/** What a clause of a certain shape says; null where it only looked like it. */
export interface Rule {
  shape: RegExp
  hear: (words: Record<string, string | undefined>, at: string, clause: string) => Heard | Fact[] | null
}

/** The value, or that it is no longer so. */
export function either(
  denied: string | undefined,
  told: Parameters<typeof fact>[0],
  value: string | null,
): Fact[] | null {
  if (value === null) return null
  return denied ? retraction(told, value) : fact(told, value)
}

export function on<T>(value: string | null, hear: (value: string) => T): T | null {
  return value === null ? null : hear(value)
}
