import { type ReadableDb, sql } from './database.ts'
import { maxSessionTurns } from './turn-facts.ts'
import { countTurns } from './turns.ts'

/** The earlier half of a row of measurements and the later one, which has the odd one. */
export interface Halves {
  count: number
  /** Means; 0 where there is nothing. */
  first: number
  second: number
}

export interface ModelFacts {
  model: string
  turns: number
  mean_cost: number
  grades: number
  /** null where nobody has graded it. */
  mean_grade: number | null
}

interface Grades {
  count: number
  mean: number
}

/** What of a session's newest turns is measured; those that were appended by hand are not among them. */
export interface SessionFacts {
  /** All that have an answer. */
  turn_count: number
  /** Those measured, at most 5,000. */
  turns: number
  /** Share of the budget that was filled, of turns that left a snapshot. */
  utilisation: Halves
  /** Dollars a turn. */
  cost: Halves
  /** 1 to 5. */
  grades: Halves
  snapshots: number
  /** Snapshots of level L2 or L3. */
  escalated: number
  /** Snapshots with memory in them. */
  with_memory: number
  graded: { with_memory: Grades; without_memory: Grades }
  models: ModelFacts[]
  tool_calls: number
  tool_successes: number
  tokens_in: number
  tokens_out: number
  total_cost: number
  failed_turns: number
}

interface MeasuredTurn {
  status: string
  model: string | null
  cost: number | null
  tokens_in: number | null
  tokens_out: number | null
  grade: number | null
  complexity_level: string | null
  token_budget: number | null
  memory_tokens: number | null
  used_tokens: number | null
}

export function sessionFacts(db: ReadableDb, { session_id }: { session_id: string }): SessionFacts {
  const turns = measuredTurns(db, session_id)
  const snapshots = turns.filter(({ token_budget }) => token_budget !== null)
  const graded = turns.filter((turn): turn is MeasuredTurn & { grade: number } => turn.grade !== null)
  const gradesOf = (wanted: (memoryTokens: number) => boolean): Grades => {
    const grades = graded
      .filter(({ memory_tokens }) => memory_tokens !== null && wanted(memory_tokens))
      .map(({ grade }) => grade)
    return { count: grades.length, mean: mean(grades) }
  }
  const sum = (of: (turn: MeasuredTurn) => number | null) => turns.reduce((total, turn) => total + (of(turn) ?? 0), 0)
  return {
    turn_count: countTurns(db, session_id),
    turns: turns.length,
    utilisation: halves(
      snapshots.flatMap(({ used_tokens, token_budget }) => (token_budget ? [(used_tokens ?? 0) / token_budget] : [])),
    ),
    cost: halves(turns.flatMap(({ cost }) => (cost === null ? [] : [cost]))),
    grades: halves(graded.map(({ grade }) => grade)),
    snapshots: snapshots.length,
    escalated: snapshots.filter(({ complexity_level: level }) => level === 'L2' || level === 'L3').length,
    with_memory: snapshots.filter(({ memory_tokens }) => (memory_tokens ?? 0) > 0).length,
    graded: { with_memory: gradesOf((tokens) => tokens > 0), without_memory: gradesOf((tokens) => tokens === 0) },
    models: modelFacts(turns),
    ...toolCounts(db, session_id),
    tokens_in: sum(({ tokens_in }) => tokens_in),
    tokens_out: sum(({ tokens_out }) => tokens_out),
    total_cost: sum(({ cost }) => cost),
    failed_turns: turns.filter(({ status }) => status !== 'ok').length,
  }
}

export interface Exchange {
  status: string
  tokens_in: number | null
  tokens_out: number | null
  cost: number | null
  latency_ms: number | null
  /** null where the message is gone, or was none. */
  question: string | null
  answer: string | null
}

/** The newest `limit` turns that are over, with the beginning of what was said, oldest first. */
export function newestExchanges(
  db: ReadableDb,
  { session_id, limit, maxChars }: { session_id: string; limit: number; maxChars: number },
): Exchange[] {
  const text = `SELECT t.status, t.tokens_in, t.tokens_out, t.cost, t.latency_ms,
      substr(q.content, 1, @maxChars) AS question, substr(a.content, 1, @maxChars) AS answer
    FROM turns t LEFT JOIN session_messages q ON q.id = t.user_message_id LEFT JOIN session_messages a ON a.id = t.assistant_message_id
    WHERE t.session_id = @session_id AND t.status <> 'running' ORDER BY t.rowid DESC LIMIT @limit`
  return (sql(db, text).all({ session_id, limit, maxChars }) as Exchange[]).reverse()
}

/** Oldest first. */
function measuredTurns(db: ReadableDb, sessionId: string): MeasuredTurn[] {
  const text = `SELECT t.status, t.model, t.cost, t.tokens_in, t.tokens_out, f.grade, s.complexity_level, s.token_budget, s.memory_tokens,
      s.system_prompt_tokens + s.memory_tokens + s.history_tokens AS used_tokens
    FROM turns t LEFT JOIN context_snapshots s ON s.turn_id = t.id LEFT JOIN turn_feedback f ON f.turn_id = t.id
    WHERE t.session_id = ? AND t.status NOT IN ('running', 'appended') ORDER BY t.rowid DESC LIMIT ${maxSessionTurns}`
  return (sql(db, text).all(sessionId) as MeasuredTurn[]).reverse()
}

function toolCounts(db: ReadableDb, sessionId: string): Pick<SessionFacts, 'tool_calls' | 'tool_successes'> {
  const text = `SELECT count(*) AS tool_calls, coalesce(sum(c.status IN ('success', 'partial_success')), 0) AS tool_successes
    FROM (SELECT id FROM turns WHERE session_id = ? ORDER BY rowid DESC LIMIT ${maxSessionTurns}) t
    JOIN tool_calls c ON c.turn_id = t.id WHERE c.status NOT IN ('running', 'awaiting_approval')`
  return sql(db, text).get(sessionId) as Pick<SessionFacts, 'tool_calls' | 'tool_successes'>
}

function modelFacts(turns: readonly MeasuredTurn[]): ModelFacts[] {
  const byModel = Map.groupBy(
    turns.filter((turn): turn is MeasuredTurn & { model: string } => turn.model !== null),
    ({ model }) => model,
  )
  return [...byModel].map(([model, own]) => {
    const grades = own.flatMap(({ grade }) => (grade === null ? [] : [grade]))
    return {
      model,
      turns: own.length,
      mean_cost: mean(own.map(({ cost }) => cost ?? 0)),
      grades: grades.length,
      mean_grade: grades.length === 0 ? null : mean(grades),
    }
  })
}

function halves(values: readonly number[]): Halves {
  const middle = Math.floor(values.length / 2)
  return { count: values.length, first: mean(values.slice(0, middle)), second: mean(values.slice(middle)) }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}
