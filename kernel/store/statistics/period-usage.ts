import type { z } from 'zod'
import type { behaviourProfile } from '#sdk/contracts/recommendations.ts'
import { type ReadableDb, sql } from '../database.ts'
import { finishedTurnsByDay, sumTurns } from './finished-turns.ts'
import type { Period } from './period.ts'
import { quotient } from './quotient.ts'
import { sumUsage, type UsageSums, usageByDay } from './usage.ts'

/** Of tools that were never used, and of memory that nobody has a record of. */
const unknownToolSuccess = 1
const unknownMemoryRate = 0.5

export interface PeriodUsage extends z.infer<typeof behaviourProfile> {
  /** When the first call of the period was made; null without calls. */
  first_call_at: string | null
  /** Which part of the prompts was what, 0 to 1 each, by the snapshots of turns; all 0 without any. */
  prompt_shares: { system_prompt: number; memories: number; history: number; tool_definitions: number }
}

/** What was done in a period and what came of it: the profile that recommendations are made from. */
export function periodUsage(db: ReadableDb, period: Period): PeriodUsage {
  const days = usageByDay(db, period)
  const byModel = [...Map.groupBy(days, ({ model }) => model)].map(
    ([model, ofModel]) => [model, sumUsage(ofModel)] as const,
  )
  const used = byModel.filter(([, { calls }]) => calls > 0)
  const turns = finishedTurnsByDay(db, period)
  const byAnswerer = Map.groupBy(turns, ({ model }) => model)
  const all = sumTurns(turns)
  const answered = sumTurns(turns.filter(({ model }) => model !== ''))
  const sum = (of: (usage: UsageSums) => number) => used.reduce((total, [, usage]) => total + of(usage), 0)
  const total_turns = sum((usage) => usage.turns)
  const prompt = all.system_tokens + all.memory_tokens + all.history_tokens + all.tool_tokens

  return {
    ...sessionsOf(db, period),
    total_turns,
    total_cost: days.reduce((total, { total_cost }) => total + total_cost, 0),
    avg_quality: answered.grades === 0 ? null : answered.grade_sum / answered.grades,
    grade_coverage: Math.min(1, quotient(answered.grades, total_turns)),
    models_used: used.map(([model]) => model).sort(),
    model_stats: Object.fromEntries(
      used.map(([model, usage]) => {
        const { grades, grade_sum } = sumTurns(byAnswerer.get(model) ?? [])
        return [
          model,
          {
            turns: usage.model_turns,
            avg_cost: quotient(usage.cost, usage.model_turns),
            avg_quality: grades === 0 ? null : grade_sum / grades,
            cache_hit_rate: quotient(usage.cached_calls, usage.calls),
            avg_output_density: quotient(usage.density, usage.dense_calls),
          },
        ]
      }),
    ),
    avg_tokens_per_turn: quotient(
      sum(({ tokens_in, tokens_out }) => tokens_in + tokens_out),
      total_turns,
    ),
    tool_success_rate: toolSuccess(db, period),
    cache_hit_rate: quotient(
      sum(({ cached_calls }) => cached_calls),
      sum(({ calls }) => calls),
    ),
    memory_retrieval_rate: all.snapshots === 0 ? unknownMemoryRate : all.with_memory / all.snapshots,
    first_call_at: firstCallAt(db, period),
    prompt_shares: {
      system_prompt: quotient(all.system_tokens, prompt),
      memories: quotient(all.memory_tokens, prompt),
      history: quotient(all.history_tokens, prompt),
      tool_definitions: quotient(all.tool_tokens, prompt),
    },
  }
}

/** Sessions that were begun in the period, and how many messages they have on average. */
function sessionsOf(db: ReadableDb, { since }: Period): { total_sessions: number; avg_session_length: number } {
  const messages =
    since === null
      ? 'SELECT count(*) FROM session_messages'
      : 'SELECT count(*) FROM sessions s CROSS JOIN session_messages m ON m.session_id = s.id WHERE s.created_at >= @since'
  const text = `SELECT (SELECT count(*) FROM sessions WHERE created_at >= @since) AS sessions, (${messages}) AS messages`
  const row = sql(db, text).get({ since: since ?? '' }) as { sessions: number; messages: number }
  return { total_sessions: row.sessions, avg_session_length: quotient(row.messages, row.sessions) }
}

/** Of calls that ran to an end that is known. */
function toolSuccess(db: ReadableDb, { since }: Period): number {
  const text = `SELECT total(status IN ('success', 'partial_success')) AS succeeded, count(*) AS ended
    FROM tool_calls WHERE created_at >= ? AND status IN ('success', 'partial_success', 'error')`
  const row = sql(db, text).get(since ?? '') as { succeeded: number; ended: number }
  return row.ended === 0 ? unknownToolSuccess : row.succeeded / row.ended
}

function firstCallAt(db: ReadableDb, { since }: Period): string | null {
  const text = 'SELECT min(created_at) AS first FROM inference_costs WHERE created_at >= ?'
  return (sql(db, text).get(since ?? '') as { first: string | null }).first
}
