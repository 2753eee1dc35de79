import { z } from 'zod'

export const shortFieldBytes = 256
export const longFieldBytes = 4096

/** Text that is not blank, has no NUL byte and fits in `maxBytes` of UTF-8. Messages are tails, for after the field's name. */
export function textField(maxBytes: number) {
  return z
    .string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be a string') })
    .superRefine((text, context) => {
      const problem = problemOf(text, maxBytes)
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    })
    .meta({ minLength: 1, maxLength: maxBytes })
}

function problemOf(text: string, maxBytes: number): string | undefined {
  if (text.trim() === '') return 'must not be empty'
  if (text.includes('\0')) return 'must not contain null bytes'
  if (Buffer.byteLength(text) > maxBytes) return `exceeds max length (${maxBytes})`
  return undefined
}

/** The name of a model as other APIs' clients send it; messages are tails as well. */
export const modelName = z
  .string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be a string') })
  .min(1, 'must not be empty')
  .max(shortFieldBytes, `exceeds max length (${shortFieldBytes})`)

/** A word of another API's client that is only passed on, such as its user. */
export const opaqueWord = z.string().max(shortFieldBytes, `exceeds max length (${shortFieldBytes})`)

export const shortField = textField(shortFieldBytes)
export const longField = textField(longFieldBytes)
