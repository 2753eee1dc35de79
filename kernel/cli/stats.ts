import { clock } from './clock.ts'
import type { CliSession } from './connection.ts'
import { money, percent, took, whole } from './figures.ts'
import { given } from './given.ts'
import { oneLine } from './one-line.ts'

export type Period = '1h' | '24h' | '7d' | '30d' | 'all'

const modelWidth = 40

export async function showEfficiency(
  { client, out }: CliSession,
  { period, model }: { period: Period; model?: string },
): Promise<void> {
  const query = given({ period, model })
  out.value(await client.stats.getEfficiency({ query }), ({ models, totals }) => {
    const rows = Object.values(models)
    if (rows.length === 0) return out.line('No model was called.')
    out.table(
      ['MODEL', 'TURNS', 'COST', 'A TURN', 'TREND', 'CACHED', 'OUT/IN', 'CONTEXT', 'GRADE'],
      rows.map((one) => [
        oneLine(one.model, modelWidth),
        whole(one.total_turns),
        money(one.cost.total),
        money(one.cost.effective_per_turn),
        one.trend.cost_per_turn,
        percent(one.cache_hit_rate),
        one.avg_output_density.toFixed(2),
        percent(one.avg_budget_utilization),
        one.quality === null ? '–' : `${one.quality.avg_grade.toFixed(1)} of ${one.quality.grade_count}`,
      ]),
    )
    out.line()
    const spared = totals.total_cache_savings > 0 ? `; the cache spared ${money(totals.total_cache_savings)}` : ''
    out.line(`${counted(totals.total_turns, 'turn')}, ${money(totals.total_cost)}${spared}.`)
  })
}

export async function showCosts(
  { client, out }: CliSession,
  { hours, limit }: { hours: number; limit: number },
): Promise<void> {
  out.value(await client.stats.listCosts({ query: { hours, limit } }), ({ costs, summary }) => {
    if (costs.length === 0) return out.line('No model was called.')
    out.table(
      ['TIME', 'MODEL', 'FOR', 'IN', 'OUT', 'COST', 'TOOK'],
      costs.map((one) => [
        clock(one.created_at),
        oneLine(one.model, modelWidth),
        one.tier ?? 'turn',
        whole(one.tokens_in),
        `${whole(one.tokens_out)}${one.estimated ? ' (estimated)' : ''}`,
        money(one.cost),
        one.latency_ms === null ? '–' : took(one.latency_ms),
      ]),
    )
    out.line()
    const tokens = `${whole(summary.total_tokens_in)} + ${whole(summary.total_tokens_out)} tokens`
    const guessed = summary.estimated_requests > 0 ? ` (${whole(summary.estimated_requests)} estimated)` : ''
    const calls = `${counted(summary.requests, 'call')}${guessed}`
    const when = hours === 0 ? '' : ` in ${counted(hours, 'hour')}`
    out.line(`${calls}${when}: ${money(summary.total_cost)}, ${tokens}.`)
  })
}

export async function showTimeseries({ client, out }: CliSession, { hours }: { hours: number }): Promise<void> {
  out.value(await client.stats.getTimeseries({ query: { hours } }), ({ labels, series }) => {
    out.table(
      ['HOUR (UTC)', 'CALLS', 'TOKENS', 'COST', 'LATENCY', 'TOOLS', 'SESSIONS', 'ERRORS', 'JOBS OK'],
      labels.map((label, index) => {
        const at = (numbers: readonly number[]) => numbers[index] ?? 0
        return [
          label,
          whole(at(series.requests_per_hour)),
          whole(at(series.tokens_per_hour)),
          money(at(series.cost_per_hour)),
          took(at(series.latency_p50_ms)),
          took(at(series.tool_latency_p50_ms)),
          whole(at(series.sessions_per_hour)),
          whole(at(series.errors_per_hour)),
          percent(at(series.cron_success_rate)),
        ]
      }),
    )
  })
}

export async function showCache({ client, out }: CliSession): Promise<void> {
  out.value(await client.stats.getCacheStats(), (cache) => {
    const { exact, semantic, tool_ttl } = cache.by_level
    const rows = [
      ['State', cache.enabled ? 'on' : 'off'],
      ['Answers', whole(cache.entries)],
      ['Hits', `${whole(cache.hits)} (exact ${exact}, similar ${semantic}, with tools ${tool_ttl})`],
      ['Misses', whole(cache.misses)],
      ['Hit rate', percent(cache.hit_rate)],
      ['Spared', `${whole(cache.tokens_saved)} tokens`],
    ] as const
    for (const [label, text] of rows) out.line(`  ${label.padEnd(10)} ${text}`)
  })
}

export async function showTransactions(
  { client, out }: CliSession,
  { hours, limit }: { hours: number; limit: number },
): Promise<void> {
  out.value(await client.stats.listTransactions({ query: { hours, limit } }), ({ transactions, total }) => {
    if (transactions.length === 0) return out.line('Nothing was booked.')
    out.table(
      ['TIME', 'TYPE', 'AMOUNT', 'WITH'],
      transactions.map((one) => [
        clock(one.created_at),
        oneLine(one.tx_type, modelWidth),
        `${one.amount} ${one.currency}`,
        oneLine(one.counterparty ?? '–', modelWidth),
      ]),
    )
    if (total > transactions.length) out.line(`and ${whole(total - transactions.length)} more`)
  })
}

function counted(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? '' : 's'}`
}
