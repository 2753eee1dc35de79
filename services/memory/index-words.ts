import Database from 'better-sqlite3'
import { LRUCache } from 'lru-cache'
import { searchTerms, unspacedText } from '#sdk/search-terms.ts'

/** One word of a text as it was written, and what the text index makes of it. */
export interface Word {
  text: string
  /** One for nearly all words; none for what the index does not know as a word. */
  tokens: readonly string[]
}

/** How `memory_fts` cuts and stems, told to a table that holds nothing. */
const tokenizer = 'porter unicode61 remove_diacritics 2'
const wordShape = /[\p{L}\p{N}\p{M}\p{Co}]+/gu
/** Words whose tokens are remembered. */
const maxRemembered = 50_000
/** Of one word, in characters; more of it is no word. */
const maxWordLength = 64

/**
 * The index's own tokenizer, asked through a private table in memory, so that what is looked for is cut and stemmed just
 * as what is kept.
 */
export class IndexWords {
  readonly #db = new Database(':memory:')
  readonly #remembered = new LRUCache<string, readonly string[]>({ max: maxRemembered })
  readonly #insert: Database.Statement
  readonly #tokens: Database.Statement
  readonly #empty: Database.Statement

  constructor() {
    this.#db.exec(`
      CREATE VIRTUAL TABLE texts USING fts5(text, content = '', tokenize = '${tokenizer}');
      CREATE VIRTUAL TABLE tokens USING fts5vocab('texts', 'instance');
    `)
    this.#insert = this.#db.prepare('INSERT INTO texts (rowid, text) VALUES (1, ?)')
    this.#tokens = this.#db.prepare('SELECT term FROM tokens ORDER BY offset').pluck()
    this.#empty = this.#db.prepare("INSERT INTO texts (texts) VALUES ('delete-all')")
  }

  /** The words of a text in their order; those of scripts without spaces as `searchTerms` cuts them, at the end. */
  of(text: string, maxWords = Number.POSITIVE_INFINITY): Word[] {
    const normal = text.normalize('NFKC')
    const { spaced, unspaced } = unspacedText(normal)
    const found: Word[] = []
    for (const [word] of spaced.matchAll(wordShape)) {
      if (found.length >= maxWords) return found
      this.#add(found, word)
    }
    const cut = unspaced === '' ? [] : searchTerms(unspaced).split(' ')
    for (const word of cut) {
      if (found.length >= maxWords) return found
      // A pair says more than the character that ends a run.
      if (cut.length > 1 && [...word].length === 1) continue
      this.#add(found, word)
    }
    return found
  }

  close(): void {
    this.#db.close()
  }

  #add(found: Word[], text: string): void {
    const tokens = this.#tokensOf(text.slice(0, maxWordLength).toLowerCase())
    if (tokens.length > 0) found.push({ text: text.slice(0, maxWordLength), tokens })
  }

  #tokensOf(word: string): readonly string[] {
    const known = this.#remembered.get(word)
    if (known) return known
    this.#insert.run(word)
    const tokens = this.#tokens.all() as string[]
    this.#empty.run()
    this.#remembered.set(word, tokens)
    return tokens
  }
}
