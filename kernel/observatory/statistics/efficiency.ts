import type { z } from 'zod'
import type { ReadableDb } from '#kernel/store/database.ts'
import {
  finishedTurnsByDay,
  sumTurns,
  type TurnSums,
  type TurnsOfDay,
} from '#kernel/store/statistics/finished-turns.ts'
import type { Period } from '#kernel/store/statistics/period.ts'
import { quotient } from '#kernel/store/statistics/quotient.ts'
import { sumUsage, type UsageOfDay, type UsageSums, usageByDay } from '#kernel/store/statistics/usage.ts'
import type { efficiency, modelEfficiency } from '#sdk/contracts/efficiency.ts'
import { trendOf } from './trend.ts'

export type Efficiency = z.infer<typeof efficiency>
type ModelEfficiency = z.infer<typeof modelEfficiency>

const decimals = 1e6
/** Which part of a call's cost its input has, when it has no tokens to tell it by. */
const unknownInputFraction = 0.5
/** A trend of grades needs so many. */
const minGradesForTrend = 4

export interface EfficiencyQuestion extends Period {
  /** The name of the period, as it was asked for. */
  period: string
  model?: string | undefined
}

/** What each model did for its money in a period. docs/statistics.md has the formulas. */
export function efficiencyOfPeriod(db: ReadableDb, { period, ...question }: EfficiencyQuestion): Efficiency {
  const usage = Map.groupBy(usageByDay(db, question), ({ model }) => model)
  const turns = Map.groupBy(finishedTurnsByDay(db, question), ({ model }) => model)
  const measured = [...usage]
    .map(([model, days]) => measure(model, days, turns.get(model) ?? []))
    .sort((left, right) => (left.efficiency.model < right.efficiency.model ? -1 : 1))
  const sum = (of: (one: Measured) => number) => measured.reduce((total, one) => total + of(one), 0)
  const mostExpensive = best(measured, ({ sums }) => sums.total_cost)
  const points = measured.flatMap(({ points: ofModel }) => ofModel)
  return {
    period,
    models: Object.fromEntries(measured.map(({ efficiency: one }) => [one.model, one])),
    time_series: points.sort((left, right) => (left.bucket + left.model < right.bucket + right.model ? -1 : 1)),
    totals: {
      total_cost: rounded(sum(({ sums }) => sums.total_cost)),
      total_cache_savings: rounded(sum(({ cacheSavings }) => cacheSavings)),
      total_turns: sum(({ sums }) => sums.turns),
      most_expensive_model: mostExpensive,
      most_efficient_model: best(
        measured.filter(({ sums }) => sums.calls > 0),
        ({ sums }) => quotient(sums.density, sums.dense_calls),
      ),
      biggest_cost_driver: mostExpensive ?? 'none',
    },
    subagent_assignment: { period, overall: noAssignments, by_subagent: {}, assignments: {} },
  }
}

/** Nothing is given to sub-agents. */
const noAssignments = {
  total: 0,
  success: 0,
  failed: 0,
  timeout_like: 0,
  success_rate: 0,
  avg_duration_ms: 0,
  p95_duration_ms: 0,
}

interface Measured {
  efficiency: ModelEfficiency
  points: Efficiency['time_series']
  /** Not rounded. */
  sums: UsageSums
  cacheSavings: number
}

function measure(model: string, days: readonly UsageOfDay[], turns: readonly TurnsOfDay[]): Measured {
  const sums = sumUsage(days)
  const context = sumTurns(turns)
  const utilization = Map.groupBy(turns, ({ day }) => day)
  const inputFraction = inputFractionOf(sums)
  const cacheSavings = sums.cached_calls * quotient(sums.uncached_cost, sums.calls - sums.cached_calls) * inputFraction
  const efficiency: ModelEfficiency = {
    model,
    total_turns: sums.model_turns,
    avg_output_density: rounded(quotient(sums.density, sums.dense_calls)),
    avg_budget_utilization: rounded(quotient(context.utilization, context.budgeted)),
    avg_memory_roi: rounded(memoryRoi(context)),
    avg_system_prompt_weight: rounded(quotient(context.prompt_weight, context.weighed)),
    cache_hit_rate: rounded(quotient(sums.cached_calls, sums.calls)),
    context_pressure_rate: rounded(quotient(context.pressed, context.budgeted)),
    cost: {
      total: rounded(sums.total_cost),
      per_output_token: quotient(sums.cost, sums.tokens_out),
      effective_per_turn: rounded(quotient(sums.cost, sums.model_turns)),
      cache_savings: rounded(cacheSavings),
      cumulative_trend: trendOf(days.map(({ total_cost }) => total_cost)),
      attribution: attributionOf(sums, context, inputFraction),
      wasted_budget_cost: rounded(sums.wasted_cost),
    },
    trend: trendsOf(days.filter(({ calls }) => calls > 0)),
    quality: qualityOf(sums, context, turns),
  }
  const points = days.map((day) => {
    const ofDay = sumTurns(utilization.get(day.day) ?? [])
    return {
      bucket: day.day,
      model,
      output_density: rounded(quotient(day.density, day.dense_calls)),
      cost: rounded(day.total_cost),
      turns: day.model_turns,
      budget_utilization: rounded(quotient(ofDay.utilization, ofDay.budgeted)),
      cached_count: day.cached_calls,
    }
  })
  return { efficiency, points, sums, cacheSavings }
}

function inputFractionOf({ tokens_in, tokens_out }: UsageSums): number {
  return tokens_in + tokens_out === 0 ? unknownInputFraction : tokens_in / (tokens_in + tokens_out)
}

/** How much better turns with memory are graded than those without, as a share; 0 while one kind has no grade. */
function memoryRoi(context: TurnSums): number {
  const { with_memory, without_memory } = memoryImpact(context)
  return with_memory === 0 || without_memory === 0 ? 0 : (with_memory - without_memory) / without_memory
}

function memoryImpact(context: TurnSums): { with_memory: number; without_memory: number } {
  return {
    with_memory: quotient(context.grade_sum_with_memory, context.grades_with_memory),
    without_memory: quotient(context.grade_sum_without_memory, context.grades_without_memory),
  }
}

/** Shares the input of all calls out as the prompts with a snapshot are; without any of them it is all history. */
function attributionOf(
  { tokens_in, cost }: UsageSums,
  { system_tokens, memory_tokens, history_tokens, tool_tokens }: TurnSums,
  inputFraction: number,
): ModelEfficiency['cost']['attribution'] {
  const prompt = system_tokens + memory_tokens + history_tokens + tool_tokens
  const part = (tokens: number, fallback: number) => {
    const share = prompt === 0 ? fallback : tokens / prompt
    return {
      tokens: Math.round(tokens_in * share),
      cost: rounded(cost * inputFraction * share),
      pct: rounded(tokens_in === 0 ? 0 : share * 100),
    }
  }
  return {
    system_prompt: part(system_tokens, 0),
    memories: part(memory_tokens, 0),
    history: part(history_tokens, 1),
    tool_definitions: part(tool_tokens, 0),
  }
}

function trendsOf(days: readonly UsageOfDay[]): ModelEfficiency['trend'] {
  return {
    output_density: trendOf(days.map(({ density, dense_calls }) => quotient(density, dense_calls))),
    cost_per_turn: trendOf(
      days.filter(({ model_turns }) => model_turns > 0).map(({ cost, model_turns }) => cost / model_turns),
    ),
    cache_hit_rate: trendOf(days.map(({ cached_calls, calls }) => cached_calls / calls)),
  }
}

function qualityOf(sums: UsageSums, context: TurnSums, turns: readonly TurnsOfDay[]): ModelEfficiency['quality'] {
  if (context.grades === 0) return null
  const meanGrade = ({ grades, grade_sum }: TurnSums) => grade_sum / grades
  const graded = turns.filter(({ grades }) => grades > 0)
  const byLevel = Map.groupBy(
    graded.filter(({ level }) => level !== ''),
    ({ level }) => level,
  )
  const byDay = Map.groupBy(graded, ({ day }) => day)
  const impact = memoryImpact(context)
  return {
    avg_grade: rounded(meanGrade(context)),
    grade_count: context.grades,
    grade_coverage: rounded(Math.min(1, quotient(context.grades, sums.model_turns))),
    cost_per_quality_point: rounded(sums.cost / context.grade_sum),
    by_complexity: Object.fromEntries(
      [...byLevel].sort().map(([level, rows]) => [level, rounded(meanGrade(sumTurns(rows)))]),
    ),
    memory_impact: { with_memory: rounded(impact.with_memory), without_memory: rounded(impact.without_memory) },
    trend:
      context.grades < minGradesForTrend
        ? 'stable'
        : trendOf([...byDay.values()].map((rows) => meanGrade(sumTurns(rows)))),
  }
}

/** The model with the highest of these numbers, the first by name among equals; null of none. */
function best(models: readonly Measured[], of: (one: Measured) => number): string | null {
  const highest = models.reduce((most, one) => Math.max(most, of(one)), Number.NEGATIVE_INFINITY)
  return models.find((one) => of(one) === highest)?.efficiency.model ?? null
}

function rounded(value: number): number {
  return Math.round(value * decimals) / decimals
}
