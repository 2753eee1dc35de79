import { z } from 'zod'
import { del, get, post } from '../route.ts'
import { consolidationReport, embeddingStatus, memoryBounds, searchTrace } from '../services/memory.ts'
import { memoryScores, memorySource, memoryTier } from '../services/memory-entry.ts'
import { clampedInteger, filter, flag, pageInfo } from './query.ts'
import { shortField, textField } from './text-field.ts'
import { count, fraction, time } from './values.ts'

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
  /** Why it stands where it does. */
  scores: memoryScores,
  source_of: memorySource,
  /** False for what a web page, a tool, a peer or a stranger said. */
  trusted: z.boolean(),
})

const proceduralEntry = z.object({
  id: z.string(),
  /** `tool`, or `sequence` for tools that were used one after the other. */
  category: z.string(),
  name: z.string(),
  steps: z.string(),
  success_count: count,
  failure_count: count,
  created_at: time,
  updated_at: time,
})

const relationshipEntry = z.object({
  id: z.string(),
  category: z.string(),
  entity_id: z.string(),
  entity_name: z.string().nullable(),
  trust_score: fraction,
  interaction_summary: z.string(),
  interaction_count: count,
  last_interaction: time,
  created_at: time,
})

/** Everything known of one entry. */
export const memoryRecord = z.object({
  id: z.string(),
  tier: memoryTier,
  category: z.string(),
  key: z.string().nullable(),
  name: z.string().nullable(),
  content: z.string(),
  importance: z.int().min(1).max(10),
  confidence: fraction,
  mentions: count,
  successes: count,
  failures: count,
  state: z.enum(['active', 'superseded', 'dropped']),
  state_reason: z.string().nullable(),
  superseded_by: z.string().nullable(),
  agent_id: z.string(),
  scope_key: z.string(),
  session_id: z.string().nullable(),
  turn_id: z.string().nullable(),
  message_id: z.string().nullable(),
  source: memorySource,
  trusted: z.boolean(),
  created_at: time,
  updated_at: time,
})

/** One line of an export; its sequence number and vector stay behind. */
export const memoryLine = memoryRecord.extend({
  category: z.string().min(1).max(memoryBounds.keyBytes),
  content: z.string().min(1),
})

const maxSearchBytes = memoryBounds.queryBytes

const searchText = z
  .string('missing ?q= parameter')
  .superRefine((text, context) => {
    if (text.trim() === '') context.addIssue({ code: 'custom', message: 'missing ?q= parameter' })
    else if (Buffer.byteLength(text) > maxSearchBytes)
      context.addIssue({ code: 'custom', message: `exceeds max length (${maxSearchBytes})` })
  })
  .meta({ minLength: 1, maxLength: maxSearchBytes })

const offset = clampedInteger(0, 0)

const tierCounts = z.object({ active: count, superseded: count, dropped: count })

/** Lines of one import, and their bytes. */
const maxImportLines = 2_000
const maxImportBytes = 8 * 1_048_576

export const memoryRoutes = {
  listWorking: get('/api/memory/working', {
    summary: 'All working memory entries',
    query: z.object({ limit: clampedInteger(100, 1, 1000), offset }),
    response: z.object({ entries: z.array(workingEntry), ...pageInfo }),
  }),
  listSessionWorking: get('/api/memory/working/:session_id', {
    summary: 'Working memory (session-scoped)',
    query: z.object({ limit: clampedInteger(1000, 1, 1000), offset, include_dropped: flag }),
    response: z.object({
      entries: z.array(
        workingEntry.extend({ state: z.enum(['active', 'dropped']), state_reason: z.string().nullable() }),
      ),
      ...pageInfo,
    }),
  }),
  listEpisodic: get('/api/memory/episodic', {
    summary: 'Episodic memory (events)',
    query: z.object({ limit: clampedInteger(50, 1, 1000), offset, session_id: filter, classification: filter }),
    response: z.object({ entries: z.array(episodicEntry), ...pageInfo }),
  }),
  listSemantic: get('/api/memory/semantic', {
    summary: 'All semantic memory entries',
    query: z.object({ limit: clampedInteger(100, 1, 1000), offset }),
    response: z.object({ entries: z.array(semanticEntry), ...pageInfo }),
  }),
  listSemanticCategories: get('/api/memory/semantic/categories', {
    summary: 'List semantic memory categories',
    response: z.object({ categories: z.array(z.object({ category: z.string(), count })) }),
  }),
  listSemanticCategory: get('/api/memory/semantic/:category', {
    summary: 'Semantic memory (facts by category)',
    query: z.object({ limit: clampedInteger(1000, 1, 1000), offset }),
    response: z.object({ entries: z.array(semanticEntry), ...pageInfo }),
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
    response: z.object({ results: z.array(memoryMatch), query: z.string(), count, trace: searchTrace }),
  }),
  listProcedural: get('/api/memory/procedural', {
    summary: 'What worked: tools and sequences of them, with their success',
    query: z.object({ limit: clampedInteger(100, 1, 1000), offset }),
    response: z.object({ entries: z.array(proceduralEntry), ...pageInfo }),
  }),
  listRelationships: get('/api/memory/relationship', {
    summary: 'Who is who',
    query: z.object({ limit: clampedInteger(100, 1, 1000), offset }),
    response: z.object({ entries: z.array(relationshipEntry), ...pageInfo }),
  }),
  getMemoryStatus: get('/api/memory/status', {
    summary: 'How much is remembered, what waits to be, and how far the vectors are',
    response: z.object({
      entries: z.object({
        working: tierCounts,
        episodic: tierCounts,
        semantic: tierCounts,
        procedural: tierCounts,
        relationship: tierCounts,
      }),
      /** Turns of which memory is still to be made. */
      waiting: count,
      last_consolidation: consolidationReport.extend({ at: time }).nullable(),
      /** null where the memory service does not answer. */
      embedding: embeddingStatus.nullable(),
    }),
  }),
  getMemory: get('/api/memory/entries/:id', {
    summary: 'One entry, with where it is from and what it took the place of',
    response: memoryRecord.extend({ superseded: z.array(memoryRecord) }),
  }),
  addMemory: post('/api/memory/entries', {
    summary: 'Remember something',
    body: z.object({
      text: textField(memoryBounds.contentBytes),
      category: shortField.optional(),
      key: shortField.optional(),
    }),
    response: memoryRecord,
  }),
  deleteMemory: del('/api/memory/entries/:id', {
    summary: 'Forget one entry for good',
    response: z.object({ id: z.string(), deleted: z.literal(true) }),
  }),
  forgetMemory: post('/api/memory/forget', {
    summary: 'Forget a session, or everything about a subject, for good',
    body: z.object({
      session_id: shortField.optional(),
      /** Every entry that names it, as a phrase. */
      subject: shortField.optional(),
      /** Tells what would be forgotten, and forgets nothing. */
      dry_run: z.boolean().default(false),
    }),
    response: z.object({
      forgotten: count,
      dry_run: z.boolean(),
      /** The first hundred. */
      entries: z.array(z.object({ id: z.string(), tier: memoryTier, content: z.string() })),
    }),
  }),
  exportMemory: get('/api/memory/export', {
    summary: 'Everything remembered, page by page',
    query: z.object({
      tier: memoryTier.optional(),
      /** What the page before said in `next`. */
      after: clampedInteger(0, 0),
      limit: clampedInteger(500, 1, maxImportLines),
    }),
    response: z.object({
      lines: z.array(memoryLine),
      /** null with the last page. */
      next: z.int().nullable(),
    }),
  }),
  importMemory: post('/api/memory/import', {
    summary: 'Take up lines of an export; what is there already stays as it is',
    maxBodyBytes: maxImportBytes,
    body: z.object({ lines: z.array(memoryLine).min(1).max(maxImportLines) }),
    response: z.object({ imported: count, skipped: count }),
  }),
  consolidateMemory: post('/api/memory/consolidate', {
    summary: 'Merge what is said twice and let go of what has faded, now',
    body: z.object({}).default({}),
    response: consolidationReport,
  }),
}
