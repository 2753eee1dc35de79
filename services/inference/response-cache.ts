import { LRUCache } from 'lru-cache'
import type { z } from 'zod'
import { timestamp } from '#sdk/ids.ts'
import type { cacheStatus, InferenceRequest, InferenceResult, InferenceSettings } from '#sdk/services/inference.ts'
import type { CacheEntry } from '#sdk/services/kernel.ts'
import { sameSetting } from './cache-key.ts'

type CacheSettings = InferenceSettings['cache']
export type CacheLevel = NonNullable<InferenceResult['cache_level']>
export interface CacheHit {
  level: CacheLevel
  result: InferenceResult
}

/** The most that all answers together may take, and one of them, in bytes of JSON. */
const maxCacheBytes = 64 * 1024 * 1024
const maxEntryBytes = 1024 * 1024
/** Answers that rest on a tool's output age this much faster. */
const toolAgeing = 4

/** Answers that may be given again: to the very same question, or to one that is nearly the same. */
export class ResponseCache {
  readonly #now: () => number
  readonly #save: (entry: CacheEntry) => void
  #settings: CacheSettings
  #entries: LRUCache<string, CacheEntry>
  #hits: Record<CacheLevel, number> = { exact: 0, semantic: 0, tool_ttl: 0 }
  #misses = 0
  #clearings = 0
  #tokensSaved = 0

  constructor(
    settings: CacheSettings,
    saved: CacheEntry[],
    tools: { now: () => number; save: (entry: CacheEntry) => void },
  ) {
    this.#settings = settings
    this.#now = tools.now
    this.#save = tools.save
    this.#entries = emptyEntries(settings)
    if (settings.enabled) for (const entry of saved.toReversed()) this.#entries.set(entry.key, entry)
  }

  get enabled(): boolean {
    return this.#settings.enabled
  }

  configure(settings: CacheSettings): void {
    const known = [...this.#entries.entries()].reverse()
    this.#settings = settings
    this.#entries = emptyEntries(settings)
    if (settings.enabled) for (const [key, entry] of known) this.#entries.set(key, entry)
  }

  find(key: string): CacheHit | undefined {
    const entry = this.#entries.get(key)
    if (!entry || this.#isExpired(entry)) return undefined
    return { level: entry.result.cache_level ?? 'exact', result: entry.result }
  }

  /** The most similar answer under the same scope, model, system text and parameters. */
  findSimilar(key: string, embedding: number[]): CacheHit | undefined {
    let best: { entry: CacheEntry; likeness: number } | undefined
    for (const entry of this.#entries.values()) {
      if (!entry.embedding || !sameSetting(entry.key, key) || this.#isExpired(entry)) continue
      const likeness = cosine(entry.embedding, embedding)
      if (likeness >= this.#settings.semantic_threshold && likeness > (best?.likeness ?? 0)) best = { entry, likeness }
    }
    return best && { level: 'semantic', result: best.entry.result }
  }

  /** Keeps an answer, unless it is one that must be made anew each time. */
  store(
    key: string,
    scope: string,
    request: InferenceRequest,
    result: InferenceResult,
    embedding: number[] | null,
  ): void {
    if (!this.enabled || result.finish_reason !== 'stop' || result.tool_calls.length > 0) return
    const usedTools = request.messages.some(({ role }) => role === 'tool')
    const ttlSeconds = this.#settings.ttl_seconds / (usedTools ? toolAgeing : 1)
    const entry: CacheEntry = {
      key,
      scope,
      result: { ...result, cache_level: usedTools ? 'tool_ttl' : 'exact' },
      embedding,
      expires_at: timestamp(this.#now() + ttlSeconds * 1000),
    }
    this.#entries.set(key, entry)
    if (this.#entries.has(key)) this.#save(entry)
  }

  clear(): void {
    this.#entries.clear()
    this.#clearings += 1
  }

  /** Changes when the cache is emptied: an answer that was begun before is not to be kept after. */
  get clearings(): number {
    return this.#clearings
  }

  countHit(level: CacheLevel, tokensSaved: number): void {
    this.#hits[level] += 1
    this.#tokensSaved += tokensSaved
  }

  countMiss(): void {
    this.#misses += 1
  }

  status(): z.infer<typeof cacheStatus> {
    return {
      enabled: this.enabled,
      entries: this.#entries.size,
      hits: this.#hits.exact + this.#hits.semantic + this.#hits.tool_ttl,
      misses: this.#misses,
      tokens_saved: this.#tokensSaved,
      by_level: { ...this.#hits },
    }
  }

  #isExpired(entry: CacheEntry): boolean {
    if (Date.parse(entry.expires_at) > this.#now()) return false
    this.#entries.delete(entry.key)
    return true
  }
}

function emptyEntries({ max_entries: max }: CacheSettings): LRUCache<string, CacheEntry> {
  return new LRUCache({
    max: Math.max(1, Math.floor(max)),
    maxSize: maxCacheBytes,
    maxEntrySize: maxEntryBytes,
    sizeCalculation: (entry) => Buffer.byteLength(JSON.stringify(entry)),
  })
}

function cosine(left: number[], right: number[]): number {
  if (left.length !== right.length) return 0
  let dot = 0
  let leftSquares = 0
  let rightSquares = 0
  for (let at = 0; at < left.length; at++) {
    const [a = 0, b = 0] = [left[at], right[at]]
    dot += a * b
    leftSquares += a * a
    rightSquares += b * b
  }
  return leftSquares === 0 || rightSquares === 0 ? 0 : dot / Math.sqrt(leftSquares * rightSquares)
}
