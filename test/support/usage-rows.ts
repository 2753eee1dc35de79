import type { CostRow } from '#kernel/store/costs.ts'
import { recordCost } from '#kernel/store/costs.ts'
import { sql, type WritableDb } from '#kernel/store/database.ts'
import type { ContextSnapshotRow } from '#kernel/store/turn-steps.ts'
import { noAccount } from '#sdk/budgets.ts'
import { timestamp } from '#sdk/ids.ts'
import { seededRandom } from './seeded-random.ts'

const hourMs = 3_600_000

export interface RawTurn {
  id: string
  session_id: string
  status: 'ok' | 'error' | 'running'
  model: string | null
  created_at: string
}

/** Rows as they stand in the database, in the order in which they are written. */
export interface RawUsage {
  sessions: { id: string; created_at: string }[]
  messages: { session_id: string }[]
  turns: RawTurn[]
  snapshots: Omit<ContextSnapshotRow, 'complexity_score' | 'history_depth' | 'dropped_history'>[]
  grades: { turn_id: string; grade: number }[]
  costs: CostRow[]
  tools: { turn_id: string; status: string; duration_ms: number | null; created_at: string }[]
  runs: { status: string; created_at: string }[]
  transactions: { id: string; amount: number; created_at: string }[]
}

const models = ['a/small', 'b/large', 'c/odd name', 'd/never graded']
const tiers = ['analysis', 'recommendations', 'nickname', 'memory', 'interview', 'replay', 'embedding']

/** Usage of the last `days` before `now`, and some at the very edges of the usual periods. */
export function randomUsage(
  seed: number,
  { now, days, turns }: { now: number; days: number; turns: number },
): RawUsage {
  const random = seededRandom(seed)
  const whole = (max: number) => Math.floor(random() * max)
  const pick = <T>(list: readonly T[]): T => list[whole(list.length)] as T
  const usage: RawUsage = {
    ...{ sessions: [], messages: [], turns: [], snapshots: [], grades: [] },
    ...{ costs: [], tools: [], runs: [], transactions: [] },
  }
  const edges = [1, 6, 24, 7 * 24, 30 * 24].flatMap((hours) => [0, 1, -1].map((ms) => now - hours * hourMs + ms))
  const moment = () => (random() < 0.1 ? pick(edges) : now - Math.floor(random() ** 3 * days * 24 * hourMs))

  function call(turn_id: string | null, model: string, tier: string | null, at: number) {
    const isCached = tier === 'cached'
    const failed = !isCached && random() < 0.1
    usage.costs.push({
      id: `call ${usage.costs.length}`,
      ...{ model, turn_id, tier, provider: model.slice(0, 1), ...noAccount },
      tokens_in: random() < 0.1 ? 0 : whole(4_000),
      tokens_out: random() < 0.1 ? 0 : whole(900),
      // A cached answer costs nothing, and if one did, it would still be no call that was made.
      cost: isCached && random() < 0.8 ? 0 : random() * 0.02,
      cached: isCached,
      latency_ms: whole(5_000),
      quality_score: isCached || failed ? null : random(),
      ...{ escalation: random() < 0.2, estimated: random() < 0.1, tokens_saved: isCached ? whole(900) : 0 },
      cache_level: isCached ? pick(['exact', 'semantic', 'tool_ttl'] as const) : random() < 0.4 ? 'miss' : null,
      created_at: timestamp(at),
    })
  }

  for (let n = 0; n < turns; n++) {
    if (n % 8 === 0) usage.sessions.push({ id: `session ${n / 8}`, created_at: timestamp(moment()) })
    const { id: session_id } = pick(usage.sessions)
    const at = moment()
    const answered = random() < 0.9 ? pick(models) : null
    const id = `turn ${n}`
    const status = random() < 0.05 ? 'running' : answered === null ? 'error' : 'ok'
    usage.messages.push({ session_id }, { session_id })
    usage.turns.push({
      id,
      session_id,
      status,
      model: status === 'running' ? null : answered,
      created_at: timestamp(at),
    })
    if (random() < 0.8) {
      usage.snapshots.push({
        turn_id: id,
        complexity_level: pick(['L0', 'L1', 'L2', 'L3'] as const),
        token_budget: random() < 0.05 ? 0 : 2_000 + whole(6_000),
        system_prompt_tokens: random() < 0.05 ? 0 : whole(2_500),
        memory_tokens: random() < 0.5 ? 0 : whole(900),
        history_tokens: random() < 0.3 ? 0 : whole(2_500),
        tool_definition_tokens: random() < 0.3 ? 0 : whole(900),
        created_at: timestamp(at),
      })
    }
    if (random() < 0.5 && answered !== models[3]) usage.grades.push({ turn_id: id, grade: 1 + whole(5) })
    const calls = answered === null ? whole(2) : 1 + whole(3)
    for (let seq = 0; seq < calls; seq++) {
      const isCached = calls === 1 && random() < 0.3
      call(
        id,
        random() < 0.8 ? (answered ?? pick(models)) : pick(models),
        isCached ? 'cached' : null,
        at + seq * whole(2_000_000),
      )
    }
    if (random() < 0.2) call(random() < 0.5 ? id : null, pick(models), pick(tiers), at)
    if (random() < 0.2) call(null, pick(models), random() < 0.2 ? 'cached' : null, at)
    for (let seq = whole(4); seq > 0; seq--) {
      const status = pick(['success', 'success', 'partial_success', 'error', 'denied', 'unknown', 'running'])
      const duration_ms = status === 'running' ? null : whole(3_000)
      usage.tools.push({ turn_id: id, status, duration_ms, created_at: timestamp(at) })
    }
    if (random() < 0.3) {
      const status = pick(['success', 'success', 'error', 'cancelled', 'skipped', 'waiting'])
      usage.runs.push({ status, created_at: timestamp(moment()) })
    }
    if (random() < 0.2)
      usage.transactions.push({ id: `booking ${n}`, amount: whole(100), created_at: timestamp(moment()) })
  }
  // What the kernel writes has the order of its times, and a call of a turn comes after those before it.
  usage.costs.sort((left, right) =>
    left.created_at < right.created_at ? -1 : left.created_at > right.created_at ? 1 : 0,
  )
  return usage
}

/** Writes them as the kernel does: a turn runs, is given its context, ends, and is graded. */
export function writeUsage(db: WritableDb, usage: RawUsage): void {
  const run = (text: string, rows: readonly object[]) => rows.forEach((row) => void sql(db, text).run(row))
  db.transaction(() => {
    run(
      `INSERT INTO sessions (id, agent_id, scope_key, status, created_at, updated_at)
       VALUES (@id, 'keel', @id, 'active', @created_at, @created_at)`,
      usage.sessions,
    )
    run(
      `INSERT INTO session_messages (id, session_id, role, content, created_at)
       VALUES (@id, @session_id, 'user', '', '')`,
      usage.messages.map((row, n) => ({ id: `message ${n}`, ...row })),
    )
    run(
      `INSERT INTO turns (id, session_id, status, request_json, created_at)
       VALUES (@id, @session_id, 'running', '{}', @created_at)`,
      usage.turns,
    )
    run(
      `INSERT INTO context_snapshots (turn_id, complexity_level, complexity_score, token_budget, system_prompt_tokens,
         memory_tokens, history_tokens, history_depth, tool_definition_tokens, dropped_history, created_at)
       VALUES (@turn_id, @complexity_level, 0.5, @token_budget, @system_prompt_tokens,
         @memory_tokens, @history_tokens, 0, @tool_definition_tokens, 0, @created_at)`,
      usage.snapshots,
    )
    const [before, after] = [usage.grades.filter((_, n) => n % 2 === 0), usage.grades.filter((_, n) => n % 2 === 1)]
    const grade = `INSERT INTO turn_feedback (id, turn_id, session_id, grade, created_at)
      VALUES (@turn_id, @turn_id, '', @grade, '') ON CONFLICT (turn_id) DO UPDATE SET grade = excluded.grade`
    run(grade, before)
    run(
      'UPDATE turns SET status = @status, model = @model WHERE id = @id',
      usage.turns.filter(({ status }) => status !== 'running'),
    )
    run(
      grade,
      after.map((row) => ({ ...row, grade: 6 - row.grade })),
    )
    run(grade, after)
    for (const cost of usage.costs) recordCost(db, cost)
    run(
      `INSERT INTO tool_calls (id, turn_id, seq, tool_name, input, status, duration_ms, created_at)
       VALUES (@id, @turn_id, @seq, 'echo', '{}', @status, @duration_ms, @created_at)`,
      usage.tools.map((row, n) => ({ id: `tool ${n}`, seq: n, ...row })),
    )
    sql(
      db,
      `INSERT INTO cron_jobs (id, name, schedule_kind, schedule_json, agent_id, payload_json, authority, created_by, created_at, updated_at)
       VALUES ('job', 'job', 'every', '{}', 'keel', '{}', 'Creator', 'test', '', '')`,
    ).run()
    run(
      `INSERT INTO cron_runs (id, job_id, status, trigger, scheduled_for, created_at)
       VALUES (@id, 'job', @status, 'manual', @created_at, @created_at)`,
      usage.runs.map((row, n) => ({ id: `run ${n}`, ...row })),
    )
    run(
      `INSERT INTO transactions (id, tx_type, amount, created_at) VALUES (@id, 'payment', @amount, @created_at)`,
      usage.transactions,
    )
  })()
}
