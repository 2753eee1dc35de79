import { z } from 'zod'
import { opaqueWord } from './text-field.ts'

/*
 * Query values arrive as text. A caller in TypeScript may also give the number or boolean that it means.
 */

const integerText = /^-?\d{1,15}$/

function fromIntegerText(given: number | string | undefined): unknown {
  return typeof given === 'string' && integerText.test(given) ? Number(given) : given
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}

/** An integer, drawn into `min`…`max`; what is no integer is refused. */
export function clampedInteger(fallback: number, min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return z
    .preprocess(
      fromIntegerText,
      z.int('must be an integer').overwrite((value) => clamp(value, min, max)),
    )
    .default(fallback)
    .meta({ minimum: min, maximum: max })
}

/** As `clampedInteger`, but what is no integer counts as absent. */
export function lenientInteger(fallback: number, min: number, max: number) {
  return clampedInteger(fallback, min, max).catch(fallback).meta({ minimum: min, maximum: max })
}

/** The window of most lists. */
export const page = {
  limit: clampedInteger(200, 1, 500),
  offset: clampedInteger(0, 0),
}

/** Which part of how many a list body holds. */
export const pageInfo = {
  total: z.int().min(0),
  limit: z.int().min(1),
  offset: z.int().min(0),
}

const booleanTexts = new Map<unknown, boolean>([
  ['true', true],
  ['1', true],
  ['', true],
  ['false', false],
  ['0', false],
])

/** `true`, `1` or just the name; `false`, `0` or absent. */
export const flag = z
  .preprocess(
    (given: boolean | string | undefined) => booleanTexts.get(given) ?? given,
    z.boolean('must be true or false'),
  )
  .default(false)

const zonelessTime = /^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$/

function toIsoTime(given: string): string | undefined {
  const zoned = zonelessTime.test(given) && given.length > 'YYYY-MM-DD'.length ? `${given.replace(' ', 'T')}Z` : given
  const at = new Date(zoned)
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString()
}

/** A time in ISO-8601, or `YYYY-MM-DD HH:MM:SS` in UTC; becomes ISO-8601 with Z. */
export const instant = z
  .string()
  .max(64, 'must be a time such as 2025-01-31T09:15:02Z')
  .transform((given, context) => {
    const iso = toIsoTime(given)
    if (iso !== undefined) return iso
    context.addIssue({ code: 'custom', message: 'must be a time such as 2025-01-31T09:15:02Z' })
    return z.NEVER
  })
  .optional()

/** A filter that is compared with short fields. */
export const filter = opaqueWord.optional()

/** How far back to look; a word it does not know means all time. */
export function period(fallback: '7d' | '30d') {
  return z.enum(['1h', '24h', '7d', '30d', 'all']).default(fallback).catch('all')
}
