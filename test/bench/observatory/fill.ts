import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { openWritable } from '#kernel/store/database.ts'
import { migrate, migrations } from '#kernel/store/migrate.ts'
import { statisticsMigration } from '#kernel/store/migrations/0140-statistics.ts'

export interface Size {
  turns: number
  /** They are spread evenly over so many days before now. */
  days: number
}

/** Turns of one session. */
const turnsPerSession = 50
const models = 6

/**
 * A database as Keel had it before there were sums of the hours, the same for the same seed: 1.3 calls, 2 messages, a
 * snapshot, 0.3 tool calls, 0.2 choices of a model and 0.1 grades for each turn, with ids that lie as scattered as real ones.
 */
export function fillDatabase(path: string, { turns, days }: Size, seed: number): void {
  mkdirSync(dirname(path), { recursive: true })
  const db = openWritable(path, 'normal')
  try {
    migrate(
      db,
      migrations.filter(({ version }) => version < statisticsMigration.version),
    )
    db.pragma('synchronous = OFF')
    db.pragma('foreign_keys = OFF')
    db.pragma('cache_size = -200000')
    for (const text of statements(turns, days, seed)) db.exec(text)
    db.pragma('wal_checkpoint(TRUNCATE)')
  } finally {
    db.close()
  }
}

function statements(turns: number, days: number, seed: number): string[] {
  const calls = Math.floor(turns * 1.3)
  const numbers = (count: number) =>
    `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${Math.max(count, 1) - 1})`
  /** 0 to `below` - 1, scattered; `salt` makes different ones of the same row. */
  const random = (below: number, salt: number, i = 'i') =>
    `((((${i} + 1) * 2654435761 + ${seed * 7919 + salt} * 40503) % 4294967291 * 48271 % 2147483647) % ${below})`
  const id = (of: string, i: string) => `printf('%08x-${of}-%d', ((${i}) + 1) * 2654435761 % 4294967296, ${i})`
  const time = (count: number, i = 'i') =>
    `strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || ((${count} - ${i}) * ${(days * 86_400) / Math.max(count, 1)}) || ' seconds')`
  const turnOf = (i: string, count: number) => `min(${turns - 1}, CAST(${i} AS INTEGER) * ${turns} / ${count})`
  const model = (i: string) => `'provider' || ${random(3, 1, i)} || '/model-' || ${random(models, 2, i)}`
  const sessions = Math.ceil(turns / turnsPerSession)
  return [
    `${numbers(sessions)} INSERT INTO sessions (id, agent_id, scope_key, status, created_at, updated_at)
     SELECT ${id('s', 'i')}, 'keel', 'scope ' || i, 'archived', ${time(sessions)}, ${time(sessions)} FROM n`,
    `${numbers(2 * turns)} INSERT INTO session_messages (id, session_id, role, content, created_at)
     SELECT ${id('m', 'i')}, ${id('s', `i / ${2 * turnsPerSession}`)}, iif(i % 2, 'assistant', 'user'), 'something', ${time(2 * turns)} FROM n`,
    `${numbers(turns)} INSERT INTO turns (id, session_id, status, request_json, tokens_in, tokens_out, cost, model, latency_ms, created_at)
     SELECT ${id('t', 'i')}, ${id('s', `i / ${turnsPerSession}`)}, iif(${random(50, 3)} = 0, 'error', 'ok'), '{"channel":"api","agent_id":"keel"}',
       100, 100, 0.01, ${model('i')}, ${random(9_000, 4)}, ${time(turns)} FROM n`,
    `${numbers(turns)} INSERT INTO context_snapshots
     SELECT ${id('t', 'i')}, 'L' || ${random(4, 5)}, 0.5, 8000, ${random(3_000, 6)}, max(0, ${random(3_000, 7)} - 1500), ${random(4_000, 8)}, 4,
       ${random(900, 9)}, 0, ${time(turns)} FROM n`,
    `${numbers(calls)} INSERT INTO inference_costs (id, model, provider, tokens_in, tokens_out, cost, tier, cached, latency_ms, quality_score, turn_id, created_at)
     SELECT ${id('c', 'i')}, ${model(turnOf('i', calls))}, 'provider', ${random(4_000, 10)}, ${random(900, 11)}, iif(${random(10, 12)} = 0, 0, ${random(20_000, 13)} / 1e6),
       CASE ${random(10, 12)} WHEN 0 THEN 'cached' WHEN 1 THEN 'analysis' END, ${random(10, 12)} = 0, ${random(8_000, 14)}, ${random(100, 15)} / 100.0,
       ${id('t', turnOf('i', calls))}, ${time(calls)} FROM n`,
    `${numbers(Math.floor(turns * 0.3))} INSERT INTO tool_calls (id, turn_id, seq, tool_name, input, output, status, duration_ms, created_at)
     SELECT ${id('k', 'i')}, ${id('t', turnOf('i', Math.floor(turns * 0.3)))}, i, 'read_file', '{"path":"notes.txt"}', printf('%.*c', 200, 'x'),
       iif(${random(9, 16)} = 0, 'error', 'success'), ${random(2_000, 17)}, ${time(Math.floor(turns * 0.3))} FROM n`,
    `${numbers(Math.floor(turns * 0.1))} INSERT INTO turn_feedback (id, turn_id, session_id, grade, created_at)
     SELECT ${id('g', 'i')}, ${id('t', 'i * 10')}, '', 1 + ${random(5, 18)}, ${time(Math.floor(turns * 0.1))} FROM n`,
    `${numbers(Math.floor(turns * 0.2))} INSERT INTO model_selection_events
       (id, turn_id, session_id, agent_id, channel, selected_model, strategy, primary_model, complexity, user_excerpt, candidates_json, created_at)
     SELECT ${id('e', 'i')}, ${id('t', 'i * 5')}, ${id('s', `i * 5 / ${turnsPerSession}`)}, 'keel', 'api', ${model('i * 5')}, 'primary_usable', 'provider0/model-0', '0.50',
       'what was asked', '[' || printf('%.*c', 3, ' ') || ']', ${time(Math.floor(turns * 0.2))} FROM n`,
    `${numbers(Math.floor(turns * 0.02))} INSERT INTO transactions (id, tx_type, amount, created_at)
     SELECT ${id('x', 'i')}, 'payment', 1, ${time(Math.floor(turns * 0.02))} FROM n`,
  ]
}
