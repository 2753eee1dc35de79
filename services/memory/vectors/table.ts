import Database from 'better-sqlite3'
import * as sqliteVec from 'sqlite-vec'
import { toBits } from '../embedding/vector-bytes.ts'

/** The most that sqlite-vec gives at once. */
const maxNearest = 4_096

/** The signs of all vectors, in a database of its own in memory: what is forgotten leaves no trace in a file. */
export class VectorTable {
  readonly dimensions: number
  readonly #db = new Database(':memory:')
  readonly #insert: Database.Statement
  readonly #delete: Database.Statement
  readonly #nearest: Database.Statement
  readonly #nearestAmong: Database.Statement
  /** By sequence number, whether it is in. */
  #held = new Uint8Array(1_024)
  #count = 0

  constructor(dimensions: number) {
    this.dimensions = dimensions
    sqliteVec.load(this.#db)
    this.#db.exec(`CREATE VIRTUAL TABLE signs USING vec0(bits bit[${Math.ceil(dimensions / 8) * 8}])`)
    this.#insert = this.#db.prepare('INSERT INTO signs (rowid, bits) VALUES (?, vec_bit(?))')
    this.#delete = this.#db.prepare('DELETE FROM signs WHERE rowid = ?')
    this.#nearest = this.#db.prepare('SELECT rowid FROM signs WHERE bits MATCH vec_bit(?) AND k = ?').pluck()
    this.#nearestAmong = this.#db
      .prepare(
        'SELECT rowid FROM signs WHERE bits MATCH vec_bit(?) AND k = ? AND rowid IN (SELECT value FROM json_each(?))',
      )
      .pluck()
  }

  get count(): number {
    return this.#count
  }

  put(rows: readonly { seq: number; vector: Float32Array }[]): void {
    this.#db.transaction(() => {
      for (const { seq, vector } of rows) {
        this.remove(seq)
        // A plain number would be taken for a real one.
        this.#insert.run(BigInt(seq), toBits(vector))
        this.#hold(seq)
      }
    })()
  }

  remove(seq: number): void {
    if (!this.#held[seq]) return
    this.#delete.run(BigInt(seq))
    this.#held[seq] = 0
    this.#count -= 1
  }

  /** The sequence numbers of the `count` whose signs differ least; `among` these alone, where given. */
  nearest(vector: Float32Array, count: number, among?: readonly number[]): number[] {
    const bits = toBits(vector)
    const most = Math.min(count, maxNearest)
    const found = among ? this.#nearestAmong.all(bits, most, JSON.stringify(among)) : this.#nearest.all(bits, most)
    return found as number[]
  }

  close(): void {
    this.#db.close()
  }

  #hold(seq: number): void {
    if (seq >= this.#held.length) {
      const larger = new Uint8Array(Math.max(seq + 1, this.#held.length * 2))
      larger.set(this.#held)
      this.#held = larger
    }
    this.#held[seq] = 1
    this.#count += 1
  }
}
