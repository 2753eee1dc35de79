import Database from 'better-sqlite3'
import type { Conversation } from './conversation.ts'

/** The reference: SQLite's full-text search as it comes, porter stems, any of the question's words, by bm25. */
export function plainFts({ lines }: Conversation): { search: (text: string) => string[]; close: () => void } {
  const db = new Database(':memory:')
  db.exec("CREATE VIRTUAL TABLE lines USING fts5(id UNINDEXED, content, tokenize = 'porter')")
  const insert = db.prepare('INSERT INTO lines (id, content) VALUES (?, ?)')
  for (const { id, speaker, text } of lines) insert.run(id, `${speaker}: ${text}`)
  const select = db.prepare('SELECT id FROM lines WHERE lines MATCH ? ORDER BY rank LIMIT 100').pluck()
  return {
    search(text) {
      const words = text.match(/[\p{L}\p{N}]+/gu) ?? []
      return words.length === 0 ? [] : (select.all(words.map((word) => `"${word}"`).join(' OR ')) as string[])
    },
    close: () => db.close(),
  }
}
