import { LRUCache } from 'lru-cache'
import { type Reading, sql } from './reading.ts'

/** Terms whose frequency is remembered, and for how long, in milliseconds: counting a common one reads its whole list. */
const maxRemembered = 20_000
const rememberedMs = 600_000
/** Words that a beginning may stand for. */
const maxPrefixTerms = 256

/** How common words are in the memory itself, as its text index knows. */
export class TermFrequencies {
  readonly #db: Reading
  readonly #remembered = new LRUCache<string, number>({ max: maxRemembered, ttl: rememberedMs })

  readonly #names = new LRUCache<string, boolean>({ max: maxRemembered, ttl: rememberedMs })

  constructor(db: Reading) {
    this.#db = db
  }

  /** The highest sequence number: never less than there are rows, and found at once. */
  rows(): number {
    return (sql(this.#db, 'SELECT max(seq) AS rows FROM memories').get() as { rows: number | null }).rows ?? 0
  }

  /** In how many entries a token of the index occurs. */
  of(token: string): number {
    const known = this.#remembered.get(token)
    if (known !== undefined) return known
    const row = sql(this.#db, 'SELECT doc FROM memory_terms WHERE term = ?').get(token) as { doc: number } | undefined
    // A word that was not there a moment ago may be there now.
    if (row) this.#remembered.set(token, row.doc)
    return row?.doc ?? 0
  }

  /** In how many entries a word begins so, each counted for each of its words; Infinity once it is more than `most`. */
  ofPrefix(prefix: string, most: number): number {
    const key = `${prefix}*`
    const known = this.#remembered.get(key)
    if (known !== undefined) return known
    let entries = 0
    let terms = 0
    const range = sql(this.#db, 'SELECT doc FROM memory_terms WHERE term >= ? AND term < ?')
    for (const row of range.iterate(prefix, `${prefix}\u{10ffff}`)) {
      entries += (row as { doc: number }).doc
      terms += 1
      if (entries <= most && terms <= maxPrefixTerms) continue
      entries = Number.POSITIVE_INFINITY
      break
    }
    if (entries > 0) this.#remembered.set(key, entries)
    return entries
  }

  /** Whether entries are called by this word, or by a name that it is part of. */
  isName(word: string): boolean {
    const known = this.#names.get(word)
    if (known !== undefined) return known
    const found = sql(this.#db, 'SELECT 1 FROM memory_fts WHERE memory_fts MATCH ? LIMIT 1').get(
      `name : "${word.replaceAll('"', '""')}"`,
    )
    this.#names.set(word, found !== undefined)
    return found !== undefined
  }

  /** 1 for what is in one entry of many, towards 0 for what is in nearly all. */
  rarity(token: string, rows = this.rows()): number {
    const entries = this.of(token)
    const idf = Math.log(1 + (rows - entries + 0.5) / (entries + 0.5))
    return Math.min(1, Math.max(0.02, idf / Math.log(1 + (rows + 0.5) / 1.5)))
  }
}
