import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { answerTo, markFile } from './marked-turns.ts'

interface TurnRecord {
  id: string
  status: string
  question: string
  answers: number
  answer: string | null
  write: string | null
}

/** What Keel has on record of turns that write marks, and what is wrong with it. */
export function openTurnRecords(home: string) {
  const db = new Database(join(home, 'keel.db'), { readonly: true })
  const turns = db.prepare(`
    SELECT t.id, t.status, q.content AS question,
      (SELECT count(*) FROM session_messages a WHERE a.turn_id = t.id AND a.role = 'assistant') AS answers,
      (SELECT a.content FROM session_messages a WHERE a.id = t.assistant_message_id) AS answer,
      (SELECT c.status FROM tool_calls c WHERE c.turn_id = t.id AND c.tool_name = 'write_file') AS write
    FROM turns t JOIN session_messages q ON q.id = t.user_message_id WHERE t.rowid > ? ORDER BY t.rowid`)
  const running = db.prepare(`SELECT count(*) AS n FROM turns WHERE status = 'running'`)
  const places = db.prepare(`
    SELECT coalesce((SELECT s.seq || ' ' || s.kind || ' ' || s.status FROM turn_steps s WHERE s.turn_id = t.id ORDER BY s.seq DESC LIMIT 1),
      'nothing yet') AS place FROM turns t WHERE t.status = 'running'`)
  const unanswered = db.prepare(`
    SELECT count(*) AS n FROM session_messages q
      LEFT JOIN (SELECT turn_id, count(*) AS n FROM session_messages WHERE role = 'assistant' GROUP BY turn_id) a USING (turn_id)
      WHERE q.role = 'user' AND coalesce(a.n, 0) <> 1`)
  const newest = db.prepare('SELECT coalesce(max(rowid), 0) AS n FROM turns')
  const numberOf = (statement: Database.Statement) => (statement.get() as { n: number }).n

  return {
    running: () => numberOf(running),
    newest: () => numberOf(newest),
    /** User messages, of all there are, that do not have exactly one answer. */
    unanswered: () => numberOf(unanswered),
    /** The last step of each turn under way. */
    places: () => (places.all() as { place: string }[]).map(({ place }) => place),
    /** What is wrong with the turns after this one; `toldOf` names the marks whose outcome the model was told is unknown. */
    faultsSince(rowid: number, toldOf: ReadonlySet<string>) {
      const path = join(home, 'workspace', markFile)
      const marks = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
      const records = turns.all(rowid) as TurnRecord[]
      return {
        turns: records.length,
        unknown: records.filter(({ write }) => write === 'unknown').length,
        faults: records.flatMap((record) => faultsOf(record, marks, toldOf)),
      }
    },
    close: () => db.close(),
  }
}

function faultsOf(
  { id, status, question, answers, answer, write }: TurnRecord,
  marks: readonly string[],
  toldOf: ReadonlySet<string>,
): string[] {
  const mark = /mark-\d+/.exec(question)?.[0] ?? ''
  const times = marks.filter((line) => line === mark).length
  const rules: [fault: string, applies: boolean][] = [
    [`is ${status}, answered "${answer}"`, status !== 'ok' || !answer?.endsWith(answerTo(mark))],
    [`has ${answers} answers`, answers !== 1],
    [`wrote its mark ${times} times`, times > 1],
    ['did not write what it says it wrote', write === 'success' && times !== 1],
    [`ended its write as ${write}`, write !== 'success' && write !== 'unknown'],
    ['did not tell the model that the outcome is unknown', write === 'unknown' && !toldOf.has(mark)],
    ['told the model that a known outcome is unknown', write === 'success' && toldOf.has(mark)],
  ]
  return rules.filter(([, applies]) => applies).map(([fault]) => `turn ${id} (${mark}) ${fault}`)
}
