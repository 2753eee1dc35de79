import { z } from 'zod'
import { get } from '../route.ts'
import { clampedInteger, filter } from './query.ts'
import { count, fraction, time } from './values.ts'

export const memoryTier = z.enum(['working', 'episodic', 'semantic', 'procedural', 'relationship'])

export const workingEntry = z.object({
  id: z.string(),
  session_id: z.string(),
  entry_type: z.string(),
  content: z.string(),
  /** 1 to 10. */
  importance: z.number(),
  created_at: time,
})

export const episodicEntry = z.object({
  id: z.string(),
  classification: z.string(),
  content: z.string(),
  importance: z.number(),
  salience: fraction,
  created_at: time,
})

export const semanticEntry = z.object({
  id: z.string(),
  category: z.string(),
  key: z.string(),
  value: z.string(),
  confidence: fraction,
  created_at: time,
  updated_at: time,
})

export const memoryMatch = z.object({
  id: z.string(),
  tier: memoryTier,
  /** The same as `tier`. */
  type: memoryTier,
  category: z.string(),
  source: z.string(),
  key: z.string().optional(),
  content: z.string(),
  score: fraction,
  session_id: z.string().optional(),
  created_at: time,
})

const maxSearchBytes = 512

const searchText = z
  .string('missing ?q= parameter')
  .superRefine((text, context) => {
    if (text.trim() === '') context.addIssue({ code: 'custom', message: 'missing ?q= parameter' })
    else if (Buffer.byteLength(text) > maxSearchBytes)
      context.addIssue({ code: 'custom', message: `exceeds max length (${maxSearchBytes})` })
  })
  .meta({ minLength: 1, maxLength: maxSearchBytes })

export const memoryRoutes = {
  listWorking: get('/api/memory/working', {
    summary: 'All working memory entries',
    query: z.object({ limit: clampedInteger(100, 1, 1000) }),
    response: z.object({ entries: z.array(workingEntry) }),
  }),
  listSessionWorking: get('/api/memory/working/:session_id', {
    summary: 'Working memory (session-scoped)',
    query: z.object({ limit: clampedInteger(1000, 1, 1000) }),
    response: z.object({ entries: z.array(workingEntry) }),
  }),
  listEpisodic: get('/api/memory/episodic', {
    summary: 'Episodic memory (events)',
    query: z.object({ limit: clampedInteger(50, 1, 1000) }),
    response: z.object({ entries: z.array(episodicEntry) }),
  }),
  listSemantic: get('/api/memory/semantic', {
    summary: 'All semantic memory entries',
    query: z.object({ limit: clampedInteger(100, 1, 1000) }),
    response: z.object({ entries: z.array(semanticEntry) }),
  }),
  listSemanticCategories: get('/api/memory/semantic/categories', {
    summary: 'List semantic memory categories',
    response: z.object({ categories: z.array(z.object({ category: z.string(), count })) }),
  }),
  listSemanticCategory: get('/api/memory/semantic/:category', {
    summary: 'Semantic memory (facts by category)',
    query: z.object({ limit: clampedInteger(1000, 1, 1000) }),
    response: z.object({ entries: z.array(semanticEntry) }),
  }),
  searchMemory: get('/api/memory/search', {
    summary: 'Full-text memory search (FTS5)',
    query: z.object({
      q: searchText,
      limit: clampedInteger(20, 1, 100),
      tier: memoryTier.optional(),
      category: filter,
      session_id: filter,
    }),
    response: z.object({ results: z.array(memoryMatch), query: z.string(), count }),
  }),
}
