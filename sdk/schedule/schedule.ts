import { z } from 'zod'

/** When a job is due: what is left of the words in which it was given, once they are understood. */
export const schedule = z.discriminatedUnion('kind', [
  /** Five fields, or six with seconds first; in an IANA zone or at a fixed offset such as `+05:30`. */
  z.object({ kind: z.literal('cron'), expr: z.string(), tz: z.string() }),
  z.object({ kind: z.literal('every'), every_ms: z.number().int().min(1_000) }),
  /** Milliseconds since 1970. */
  z.object({ kind: z.literal('once'), at: z.number().int() }),
])
export type Schedule = z.infer<typeof schedule>
