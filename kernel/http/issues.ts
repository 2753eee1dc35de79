import type { z } from 'zod'
import { type ErrorKind, RuntimeError } from '#sdk/errors.ts'

const maxIssues = 10
/** A message that clients know as it stands, such as `missing ?q= parameter`. */
const namesItself = /^missing \?\w+= parameter$/

/** Which part of the request a value came from; names the problem when the value itself is at fault. */
export type RequestPart = 'path' | 'query' | 'body'

/** The value as the schema gives it, or an error, `invalid` unless told, whose message names the field. */
export function parsePart<S extends z.ZodType>(
  schema: S,
  value: unknown,
  part: RequestPart,
  kind: ErrorKind = 'invalid',
): z.output<S> {
  const parsed = schema.safeParse(value, plainWords)
  if (parsed.success) return parsed.data
  throw issuesError(parsed.error, part, kind)
}

export function issuesError(error: z.ZodError, part: RequestPart = 'body', kind: ErrorKind = 'invalid'): RuntimeError {
  const issues = error.issues.slice(0, maxIssues).map(({ path, message }) => ({
    path: path.length === 0 ? part : path.map(String).join('.'),
    message,
  }))
  const first = issues[0] ?? { path: part, message: 'is not valid' }
  const text = namesItself.test(first.message) ? first.message : `${first.path}: ${first.message}`
  return new RuntimeError(kind, text, { issues })
}

/** Speaks where the schema has no words of its own. */
const plainWords: z.core.ParseContext<z.core.$ZodIssue> = {
  error: (issue) => {
    if (issue.input === undefined && issue.code !== 'custom') return 'is required'
    if (issue.code === 'invalid_type') return `must be ${withArticle(issue.expected)}`
    if (issue.code === 'invalid_value')
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`
    if (issue.code === 'invalid_union') return 'has none of the accepted forms'
    return undefined
  },
}

function withArticle(type: string): string {
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type === 'int' ? 'integer' : type}`
}
