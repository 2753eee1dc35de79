import { z } from 'zod'
import { del, put } from '../route.ts'
import { flag } from './query.ts'

const apiKeyBytes = 4096

const apiKey = z
  .string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be a string') })
  .trim()
  .min(1, 'must not be empty')
  .max(apiKeyBytes, `exceeds max length (${apiKeyBytes})`)
  .regex(/^[\x21-\x7e]*$/, 'must not contain whitespace or control characters')

export const providersRoutes = {
  setProviderKey: put('/api/providers/:name/key', {
    summary: 'Set provider API key',
    query: z.object({ validate: flag }),
    body: z.object({ api_key: apiKey }),
    response: z.object({
      stored: z.literal(true),
      provider: z.string(),
      keystore_entry: z.string(),
      /** Present when asked for by `validate=true`. */
      validated: z.boolean().optional(),
      error: z.string().optional(),
    }),
  }),
  deleteProviderKey: del('/api/providers/:name/key', {
    summary: 'Remove provider API key',
    response: z.object({ removed: z.boolean(), provider: z.string(), keystore_entry: z.string() }),
  }),
}
