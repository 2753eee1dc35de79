import type { Recommendation } from '#sdk/contracts/recommendations.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { terminalLine, terminalText } from '../logs/terminal-text.ts'
import { putConfig } from './config.ts'
import type { CliSession } from './connection.ts'
import { money } from './figures.ts'
import { given } from './given.ts'
import { confirmed } from './plugin-install.ts'
import { visibleJson } from './visible-json.ts'

/** How long a model may take to advise, its place in the queue included, in milliseconds. */
const deepMs = 300_000

const periods = ['1h', '24h', '7d', '30d', 'all'] as const

export interface RecommendationOptions {
  period?: string
  all?: boolean
  apply?: string
  dismiss?: string
  restore?: string
  deep?: boolean
  yes?: boolean
}

export async function recommendations(session: CliSession, options: RecommendationOptions): Promise<void> {
  const { client, out } = session
  const period = periodOf(options.period)
  if (options.dismiss !== undefined) {
    const answer = await client.recommendations.dismissRecommendation({ params: { id: options.dismiss } })
    return out.value(answer, ({ id }) => out.line(`${id} is not listed any more; --restore ${id} brings it back.`))
  }
  if (options.restore !== undefined) {
    const answer = await client.recommendations.restoreRecommendation({ params: { id: options.restore } })
    return out.value(answer, ({ id }) => out.line(`${id} is listed again.`))
  }
  if (options.apply !== undefined) return applyOne(session, options.apply, given({ period }), options.yes === true)
  if (options.deep) {
    const signal = AbortSignal.timeout(deepMs)
    return out.value(
      await client.recommendations.generateRecommendations({ query: given({ period }), signal }),
      ({ message, analysis_model, cost, reason }) => {
        out.line(terminalText(message))
        out.line()
        out.note(reason === null ? `${analysis_model}, ${money(cost)}` : `By rules alone: ${reason}`)
      },
    )
  }
  const query = given({ period, dismissed: options.all })
  out.value(await client.recommendations.listRecommendations({ query }), (answer) => {
    if (answer.recommendations.length === 0) return out.line('There is nothing to recommend.')
    for (const one of answer.recommendations) show(session, one)
    const { total_turns: turns, total_cost: cost } = answer.profile
    out.note(`By ${turns} turns that cost ${money(cost)} (${answer.period}).`)
  })
}

function show({ out }: CliSession, one: Recommendation): void {
  const { id, priority, title, explanation, action, evidence, estimated_impact: impact, config_change: change } = one
  const colour = { High: 'red', Medium: 'yellow', Low: 'dim' } as const
  const saved = impact?.monthly_savings ? `  about ${money(impact.monthly_savings)} a month` : ''
  out.line(`${out.style(colour[priority], priority.padEnd(6))}  ${out.style('bold', terminalLine(title))}${saved}`)
  out.line(`        ${terminalLine(explanation)} ${terminalLine(action)}`)
  const proofs = evidence.map(({ metric, value, context }) => `${metric} ${value} (${context})`).join('; ')
  out.line(out.style('dim', `        ${terminalLine(proofs)}`))
  if (one.dismissed_at !== null) out.line(`        dismissed: keel recommendations --restore ${id}`)
  else if (change !== null) out.line(`        ${changeLine(change)}: keel recommendations --apply ${id}`)
  else out.line(`        ${one.answered ? 'the settings are that way already' : 'no setting does this'} (${id})`)
  out.line()
}

function changeLine({ path, from, to }: NonNullable<Recommendation['config_change']>): string {
  return `${path}: ${visibleJson(from)} becomes ${visibleJson(to)}`
}

/** Shows the exact change first, and makes it when somebody has said yes. */
async function applyOne(
  session: CliSession,
  id: string,
  query: { period?: (typeof periods)[number] },
  yes: boolean,
): Promise<void> {
  const { client, out } = session
  const { recommendations: all } = await client.recommendations.listRecommendations({
    query: { ...query, dismissed: true },
  })
  const one = all.find((known) => known.id === id)
  if (!one) throw new RuntimeError('not_found', `${id} is not recommended: ${all.map((known) => known.id).join(', ')}`)
  const { config_change: change, answered, action } = one
  if (change === null) {
    throw new RuntimeError(
      'conflict',
      answered ? `${id}: the settings are that way already` : `${id}: no setting does this. ${action}`,
    )
  }
  if (!yes) {
    out.note(changeLine(change))
    if (!(await confirmed(session, 'Change it? [y/N] ')))
      return out.note('Nothing was changed. Without a terminal, say --yes.')
  }
  out.value(await putConfig(session, change.patch), ({ message }) => out.line(`${changeLine(change)}: ${message}.`))
}

function periodOf(text: string | undefined): (typeof periods)[number] | undefined {
  const period = periods.find((known) => known === text)
  if (text !== undefined && period === undefined)
    throw new RuntimeError('invalid', `--period is one of ${periods.join(', ')}`)
  return period
}
