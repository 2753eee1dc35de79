import { z } from 'zod'

/*
 * The kinds of values that a configuration holds. Each says in its message what it expects; issue-text.ts adds the
 * section, the key and what was found instead. Optional ones are null when absent, so that every key always exists.
 */

/** Characters in one text value. */
const maxTextLength = 8_192
/** Entries in one list. */
const maxListLength = 1_000

const anyText = z.string('expected text').max(maxTextLength, `expected at most ${maxTextLength} characters`)
const nonBlank = anyText.refine((value) => value.trim() !== '', 'expected text that is not blank')

export function text(fallback: string) {
  return anyText.default(fallback)
}

export function requiredText(fallback: string) {
  return nonBlank.default(fallback)
}

export function optionalText() {
  return anyText
    .transform((value) => (value.trim() === '' ? null : value))
    .nullable()
    .default(null)
}

export function textList(fallback: string[] = []) {
  return z
    .array(anyText, 'expected a list of texts')
    .max(maxListLength, `expected at most ${maxListLength} entries`)
    .default(fallback)
}

export function namedList() {
  return z
    .array(nonBlank, 'expected a list of texts')
    .max(maxListLength, `expected at most ${maxListLength} entries`)
    .default([])
}

export function integerList() {
  return z
    .array(z.int('expected a whole number'), 'expected a list of whole numbers')
    .max(maxListLength, `expected at most ${maxListLength} entries`)
    .default([])
}

export function flag(fallback: boolean) {
  return z.boolean('expected true or false').default(fallback)
}

function bounded(kind: string, min: number, max: number): string {
  if (max === Number.MAX_SAFE_INTEGER || max === Number.MAX_VALUE) return `expected ${kind} of at least ${min}`
  return `expected ${kind} from ${min} to ${max}`
}

function anyInteger(min: number, max: number) {
  const message = bounded('a whole number', min, max)
  return z.int(message).min(min, message).max(max, message)
}

export function integer(fallback: number, min = 0, max = Number.MAX_SAFE_INTEGER) {
  return anyInteger(min, max).default(fallback)
}

export function optionalInteger(min = 0, max = Number.MAX_SAFE_INTEGER) {
  return anyInteger(min, max).nullable().default(null)
}

function anyNumber(min: number, max: number) {
  const message = bounded('a number', min, max)
  return z.number(message).min(min, message).max(max, message)
}

export function number(fallback: number, min = 0, max = Number.MAX_VALUE) {
  return anyNumber(min, max).default(fallback)
}

export function optionalNumber(min = 0, max = Number.MAX_VALUE) {
  return anyNumber(min, max).nullable().default(null)
}

export function fraction(fallback: number) {
  return number(fallback, 0, 1)
}

export function optionalFraction() {
  return optionalNumber(0, 1)
}

export function choice<const V extends readonly [string, ...string[]]>(values: V, fallback: NoInfer<V[number]>) {
  return z.enum(values, `expected ${oneOf(values)}`).default(fallback as z.core.util.NoUndefined<V[number]>)
}

export function optionalChoice<const V extends readonly [string, ...string[]]>(values: V) {
  return z
    .enum(values, `expected ${oneOf(values)}`)
    .nullable()
    .default(null)
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `"${values[0]}"` : `one of ${values.map((value) => `"${value}"`).join(', ')}`
}

/** A table with exactly these keys; an unknown one is an issue of its own kind, which becomes a warning. */
export function table<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject(shape, 'expected a table')
}

export function section<S extends z.ZodRawShape>(shape: S) {
  return table(shape).prefault({} as z.input<z.ZodObject<S>>)
}

export function tableList<T extends z.ZodType>(entry: T) {
  return z
    .array(entry, 'expected a list of tables')
    .max(maxListLength, `expected at most ${maxListLength} entries`)
    .default([])
}

export function record<T extends z.ZodType>(value: T) {
  return z.record(z.string(), value, 'expected a table')
}

/** An address of the operator's choice. `instead` says where what may not stand in it belongs. */
export function httpUrl(instead: string) {
  return z.string('expected a URL such as "https://api.example.org"').superRefine((value, issues) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined
    if (!parsed || !/^https?:$/.test(parsed.protocol)) {
      issues.addIssue('expected a URL that begins with http:// or https://')
    } else if (parsed.username !== '' || parsed.password !== '') {
      issues.addIssue(`expected a URL without a user name and password; ${instead}`)
    }
  })
}

export function isHeaderName(value: string): boolean {
  return /^[A-Za-z0-9-]+$/.test(value)
}

export const headerValue = z
  .string('expected text')
  .refine((value) => !/[\r\n\0]/.test(value), 'expected one line of text')
