import { expect } from 'vitest'
import type { WritableDb } from '#kernel/store/database.ts'
import type { Store } from '#kernel/store/store.ts'

/** How SQLite finds what the last statement of a function reads; unless told, it must not have to sort. */
export function planOf(
  { write }: Pick<Store, 'write'>,
  work: (db: WritableDb) => unknown,
  { sorts = false } = {},
): string {
  let text = ''
  const watched = new Proxy(write, {
    get(db, name) {
      if (name !== 'prepare') return Reflect.get(db, name, db)
      return (prepared: string) => {
        text = prepared
        return db.prepare(prepared)
      }
    },
  })
  work(watched)
  const statement = write.prepare(`EXPLAIN QUERY PLAN ${text}`)
  const names = [...new Set([...text.matchAll(/@(\w+)/g)].map(([, name]) => name))]
  const values = Object.fromEntries(names.map((name) => [name, 1]))
  const rows = (names.length > 0 ? statement.all(values) : statement.all(...(text.match(/\?/g) ?? []))) as {
    detail: string
  }[]
  const plan = rows.map(({ detail }) => detail).join('\n')
  if (!sorts) expect(plan).not.toContain('TEMP B-TREE')
  return plan
}
