import { z } from 'zod'

export const memoryTier = z.enum(['working', 'episodic', 'semantic', 'procedural', 'relationship'])
export type MemoryTier = z.infer<typeof memoryTier>
export const memoryTiers = memoryTier.options

/** Who an entry's words are from. */
export const memorySource = z.enum(['user', 'agent', 'tool', 'peer', 'stranger', 'import', 'keel'])
export type MemorySource = z.infer<typeof memorySource>

/** Each from 0 to 1, and why an entry stands where it does; null where that way did not find it. */
export const memoryScores = z.object({
  text: z.number().nullable(),
  vector: z.number().nullable(),
  /** From entries beside it in its conversation. */
  context: z.number().nullable(),
  recency: z.number(),
  importance: z.number(),
  total: z.number(),
})
export type MemoryScores = z.infer<typeof memoryScores>
