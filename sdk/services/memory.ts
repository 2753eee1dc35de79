import { z } from 'zod'
import { method, notice, service } from '../service.ts'
import { authority, toolStatus } from './agent.ts'
import { memoryScores, memorySource, memoryTier } from './memory-entry.ts'

/** The bounds of memory. Past each there is an error that names the field, or the oldest and least important give way. */
export const memoryBounds = {
  contentBytes: 8_192,
  keyBytes: 256,
  queryBytes: 512,
  results: 100,
  /** Active entries of a tier; of `working` for each session. */
  entries: { working: 200, episodic: 2_000_000, semantic: 200_000, procedural: 10_000, relationship: 50_000 },
  /** Entries that one turn, or one call, may add. */
  additions: 200,
} as const

/** Whose memory it is. `scope_key` is that of the conversations it is from; null stands for all of the agent's. */
export const memoryOwner = z.object({ agent_id: z.string(), scope_key: z.string().nullable() })

export const newMemory = z.object({
  id: z.string(),
  tier: memoryTier,
  /** working: the entry type; episodic: the classification; semantic: the category; procedural: tool or sequence; relationship: the kind of entity. */
  category: z.string().min(1),
  /** semantic: the fact's key; procedural: the tool or sequence; relationship: the entity's id. One active value for each. */
  key: z.string().nullable(),
  /** As people say it. */
  name: z.string().nullable(),
  content: z.string().min(1),
  importance: z.number().int().min(1).max(10),
  confidence: z.number().min(0).max(1),
  mentions: z.number().int().default(1),
  successes: z.number().int().default(0),
  failures: z.number().int().default(0),
  source: memorySource,
  /** False for what came from a web page, a tool, a stranger or a peer. */
  trusted: z.boolean(),
  message_id: z.string().nullable(),
  /** Whose it is, where what it was made of does not tell. */
  owner: z.object({ agent_id: z.string(), scope_key: z.string() }).optional(),
})
export type NewMemory = z.infer<typeof newMemory>

/** What is to become of the memory; the kernel applies all of it or nothing. An id that is gone is passed over. */
export const memoryChanges = z.object({
  add: z.array(newMemory),
  update: z.array(
    newMemory
      .pick({
        content: true,
        name: true,
        importance: true,
        confidence: true,
        mentions: true,
        successes: true,
        failures: true,
      })
      .partial()
      .extend({ id: z.string() }),
  ),
  /** It was true and is not any more: kept as history, recalled no more. */
  supersede: z.array(z.object({ id: z.string(), by: z.string(), reason: z.string() })),
  /** It falls out: kept with the reason, recalled no more. */
  drop: z.array(z.object({ id: z.string(), reason: z.string() })),
  /** It is removed altogether. */
  remove: z.array(z.string()),
})
export type MemoryChanges = z.infer<typeof memoryChanges>

/** A finished turn, as memory is made of it. */
export const exchange = z.object({
  turn_id: z.string(),
  session_id: z.string(),
  agent_id: z.string(),
  scope_key: z.string(),
  channel: z.string(),
  /** Of who wrote the message. Below Creator their words are not trusted. */
  authority,
  /** Who wrote, where the channel says so. */
  peer: z.object({ id: z.string(), name: z.string().nullable() }).nullable(),
  at: z.string(),
  status: z.string(),
  question: z.object({ message_id: z.string(), text: z.string() }),
  answer: z.object({ message_id: z.string(), text: z.string() }),
  tools: z.array(z.object({ name: z.string(), status: toolStatus, input: z.string(), output: z.string() })),
  /** Of the skills that were active. */
  skills: z.array(z.string()),
})
export type Exchange = z.infer<typeof exchange>

/** Something to be kept because somebody said so. */
export const memoryNote = z.object({
  agent_id: z.string(),
  scope_key: z.string(),
  text: z.string().min(1),
  category: z.string().nullable(),
  key: z.string().nullable(),
  source: memorySource,
  trusted: z.boolean(),
})

export const searchMode = z.enum(['fused', 'text', 'vector'])
export type SearchMode = z.infer<typeof searchMode>

export const memoryQuery = memoryOwner.extend({
  text: z.string().min(1),
  limit: z.number().int().min(1).max(memoryBounds.results),
  tiers: z.array(memoryTier).default([]),
  category: z.string().nullable().default(null),
  session_id: z.string().nullable().default(null),
  mode: searchMode.default('fused'),
  now: z.string(),
})
export type MemoryQuery = z.input<typeof memoryQuery>

export const scoredMemory = newMemory
  .omit({ mentions: true, successes: true, failures: true, message_id: true, owner: true })
  .extend({
    session_id: z.string().nullable(),
    turn_id: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
    mentions: z.number().int(),
    successes: z.number().int(),
    failures: z.number().int(),
    scores: memoryScores,
  })
export type ScoredMemory = z.infer<typeof scoredMemory>

/** How a search was made. */
export const searchTrace = z.object({
  /** The vectors' model; null where there were none to search. */
  embedding_model: z.string().nullable(),
  /** Why vectors took no part, or not all of them. */
  vector_note: z.string().nullable(),
  /** Words that were too common to be looked for. */
  left_out_words: z.array(z.string()),
  took_ms: z.number(),
})
export type SearchTrace = z.infer<typeof searchTrace>

/** What a turn wants to be reminded of. */
export const recallRequest = memoryOwner.extend({
  session_id: z.string(),
  text: z.string(),
  /** For all entries together, in tokens as `estimateTokens` counts them. */
  budget_tokens: z.number().int().min(0),
  /** Messages that are shown anyway. */
  shown_message_ids: z.array(z.string()),
  now: z.string(),
})
export type RecallRequest = z.infer<typeof recallRequest>

export const recalledMemory = z.object({
  id: z.string(),
  tier: memoryTier,
  category: z.string(),
  key: z.string().nullable(),
  name: z.string().nullable(),
  content: z.string(),
  source: memorySource,
  trusted: z.boolean(),
  created_at: z.string(),
  confidence: z.number(),
  mentions: z.number().int(),
  successes: z.number().int(),
  failures: z.number().int(),
  tokens: z.number().int(),
  scores: memoryScores,
})
export type RecalledMemory = z.infer<typeof recalledMemory>

export const recalled = z.object({
  /** By tier, then the best first. */
  entries: z.array(recalledMemory),
  left_out: z.array(
    z.object({
      id: z.string(),
      tier: memoryTier,
      score: z.number(),
      reason: z.enum(['tier_budget', 'shown', 'duplicate']),
    }),
  ),
  trace: searchTrace,
})
export type Recalled = z.infer<typeof recalled>

export const consolidationReport = z.object({
  examined: z.number().int(),
  merged: z.number().int(),
  promoted: z.number().int(),
  pruned: z.number().int(),
  dropped: z.number().int(),
  took_ms: z.number(),
})
export type ConsolidationReport = z.infer<typeof consolidationReport>

export const memorySettings = z.object({
  /** The path of the database, to be opened for reading alone. */
  database: z.string(),
  /** `provider/model`; null for the built-in lexical vectors. */
  embedding_model: z.string().nullable(),
  /** Whether a language model may be asked to find facts. */
  extract_by_model: z.boolean(),
  /** How much vectors count beside text, 0 to 1. */
  hybrid_weight: z.number(),
  /** Shares of a recall's budget, in per cent; together 100. */
  budget_pct: z.record(memoryTier, z.number()),
  /** After so many days an event counts half. */
  half_life_days: z.number(),
  learning: z.object({
    enabled: z.boolean(),
    min_tool_sequence: z.number().int(),
    min_success_ratio: z.number(),
    stale_procedural_days: z.number(),
  }),
})
export type MemorySettings = z.infer<typeof memorySettings>

export const embeddingStatus = z.object({
  model: z.string(),
  dimensions: z.number().int().nullable(),
  /** Entries that have a vector of this model, and all that need one. */
  done: z.number().int(),
  total: z.number().int(),
  /** Rows that could not be read as vectors and are made anew. */
  corrupt: z.number().int(),
  /** Why no more are made at present. */
  stalled: z.string().nullable(),
})
export type EmbeddingStatus = z.infer<typeof embeddingStatus>

/** Ranks, retrieves, and says what is to be remembered. Reads the database; what is to last, the kernel writes. */
export const memoryService = service('memory', {
  configure: method({ params: memorySettings, result: z.null(), timeoutMs: 10_000, retry: 'safe' }),
  /** What to remember of a turn. Keeps nothing: asked twice, it answers twice. */
  ingest: method({ params: exchange, result: memoryChanges, timeoutMs: 120_000, retry: 'safe' }),
  note: method({ params: memoryNote, result: memoryChanges, timeoutMs: 10_000, retry: 'safe' }),
  search: method({
    params: memoryQuery,
    result: z.object({ matches: z.array(scoredMemory), trace: searchTrace }),
    timeoutMs: 10_000,
    retry: 'safe',
  }),
  recall: method({ params: recallRequest, result: recalled, timeoutMs: 5_000, retry: 'safe' }),
  /** Merges what is said twice, prunes what has faded, makes facts of what happens again and again. */
  consolidate: method({
    params: z.object({ now: z.string() }),
    chunk: z.object({ step: z.string(), done: z.number().int(), total: z.number().int() }),
    /** Each batch by itself leaves the memory sound. */
    result: z.object({ batches: z.array(memoryChanges), report: consolidationReport }),
    timeoutMs: 600_000,
    retry: 'never',
  }),
  status: method({
    params: z.object({}),
    result: z.object({ embedding: embeddingStatus }),
    timeoutMs: 10_000,
    retry: 'safe',
  }),
  /** Texts that are new or changed, and entries that are gone, by their sequence numbers. */
  changed: notice(z.object({ saved: z.array(z.number().int()), removed: z.array(z.number().int()) })),
})
