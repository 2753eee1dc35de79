import type { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import { dotted, isTable, type KeyPath, valueAt } from './key-path.ts'
import { hideSecrets, isSecretKey } from './redact.ts'
import type { RuleBreach } from './rules.ts'

/** Issues told in one answer; the rest are counted. */
const maxIssues = 5
/** Characters of a refused value that are shown. */
const maxShownLength = 60

/** `section.key: what was expected, got "this"`. */
export function schemaIssueText(issue: z.core.$ZodIssue, input: unknown): string {
  const path = issue.path.map(String)
  if (issue.code === 'invalid_key') return `${dotted(path)}: ${issue.issues[0]?.message ?? issue.message}`
  const value = valueAt(input, path)
  if (value === undefined) return `${dotted(path)}: ${issue.message}, but it is missing`
  const shown = path.some(isSecretKey) ? 'something else (not shown)' : show(hideSecrets(value))
  return `${dotted(path)}: ${issue.message}, got ${shown}`
}

export function ruleText({ path, message }: RuleBreach): string {
  return `${dotted(path)}: ${message}`
}

export function invalidConfig(texts: readonly string[], details?: { exit_code: number }): RuntimeError {
  const more = texts.length - maxIssues
  const shown = texts.slice(0, maxIssues).join('; ')
  return new RuntimeError('invalid', `invalid config: ${shown}${more > 0 ? `; and ${more} more` : ''}`, details)
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isTable(value)) return 'a table'
  if (value instanceof Date) return 'a date'
  if (value === null) return 'nothing'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > maxShownLength ? `${text.slice(0, maxShownLength)}…` : text
}

/** The known name that a misspelt one most likely means. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const furthest = name.length < 4 ? 1 : Math.max(2, Math.floor(name.length / 3))
  let best: { name: string; distance: number } | undefined
  for (const candidate of known) {
    const distance = editDistance(name, candidate)
    if (distance <= furthest && (!best || distance < best.distance)) best = { name: candidate, distance }
  }
  return best?.name
}

export function unknownKeyText(path: KeyPath, known: readonly string[]): string {
  const nearest = nearestName(path.at(-1) ?? '', known)
  const what = path.length === 1 ? 'section' : 'key'
  return `${dotted(path)}: unknown ${what}, ignored${nearest ? `; did you mean "${nearest}"?` : ''}`
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, i) => i)
  for (let i = 1; i <= left.length; i++) {
    const current = [i]
    for (let j = 1; j <= right.length; j++) {
      const substituted = (previous[j - 1] as number) + (left[i - 1] === right[j - 1] ? 0 : 1)
      current.push(Math.min(substituted, (previous[j] as number) + 1, (current[j - 1] as number) + 1))
    }
    previous = current
  }
  return previous[right.length] as number
}
