import type { ContextBlock, ContextLeftOutBlock, ContextSource } from '#sdk/contracts/context-blocks.ts'
import type { Feedback } from '#sdk/contracts/feedback.ts'
import type { SelectionEvent } from '#sdk/contracts/models.ts'
import type { Tip } from '#sdk/contracts/tips.ts'
import type { Turn, TurnContext, TurnToolCall } from '#sdk/contracts/turns.ts'
import { isErrorOf } from '#sdk/errors.ts'
import { terminalLine, terminalText } from '../logs/terminal-text.ts'
import { clock } from './clock.ts'
import type { CliSession } from './connection.ts'
import { money, percent, took, whole } from './figures.ts'
import { oneLine } from './one-line.ts'
import type { Output } from './output.ts'

const nothing = '–'
/** Of messages and of tools so many are shown one by one, unless all are wanted. */
const maxMessages = 6
const maxTools = 3

export interface ListOptions {
  limit: string
}

/** The turns of a session, of the one that was used last unless told, newest last. */
export async function listTurns(
  { client, out }: CliSession,
  session: string | undefined,
  { limit }: ListOptions,
): Promise<void> {
  const id = session ?? (await client.sessions.listSessions({ query: { limit: 1, order: 'updated' } })).sessions[0]?.id
  if (id === undefined) return out.value({ turns: [], total: 0 }, () => out.line('There is no session yet.'))
  out.value(await client.turns.listSessionTurns({ params: { id }, query: { limit } }), ({ turns, total }) => {
    if (turns.length === 0) return out.line('This session has no turn.')
    out.table(
      ['TURN', 'WHEN', 'STATUS', 'MODEL', 'TOKENS', 'COST', 'TOOK', 'TOOLS'],
      turns.map((turn) => [
        turn.id,
        clock(turn.created_at),
        turn.status,
        turn.model ?? nothing,
        whole((turn.tokens_in ?? 0) + (turn.tokens_out ?? 0)),
        money(turn.cost ?? 0),
        turn.latency_ms === null ? nothing : took(turn.latency_ms),
        String(turn.react_turns),
      ]),
    )
    if (turns.length < total) out.note(`the newest ${turns.length} of ${total}`)
  })
}

/** Everything that is known of a turn. */
interface TurnReport {
  turn: Turn
  context: TurnContext
  selection: SelectionEvent | null
  tool_calls: TurnToolCall[]
  /** null where this Keel gives none. */
  tips: Tip[] | null
  feedback: Feedback | null
}

export async function showTurn(
  { client, out }: CliSession,
  id: string,
  { all = false }: { all?: boolean },
): Promise<void> {
  const params = { id }
  const turn = await client.turns.getTurn({ params })
  const [context, selection, { tool_calls }, tips, feedback] = await Promise.all([
    client.turns.getTurnContext({ params }),
    orNull(client.turns.getTurnModelSelection({ params })),
    client.turns.listTurnTools({ params }),
    orNull(client.turns.getTurnTips({ params })),
    orNull(client.feedback.getTurnFeedback({ params })),
  ])
  out.value({ turn, context, selection, tool_calls, tips: tips?.tips ?? null, feedback }, (report) =>
    printTurn(out, report, all),
  )
}

/** What is not there, or not in this Keel, is no reason not to show the rest. */
async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (thrown) {
    if (isErrorOf(thrown, 'not_found', 'not_implemented')) return null
    throw thrown
  }
}

function printTurn(out: Output, report: TurnReport, all: boolean): void {
  const { turn, context, tips, feedback } = report
  const facts = [
    turn.status,
    turn.model ?? 'no model',
    clock(turn.created_at),
    ...(turn.latency_ms === null ? [] : [took(turn.latency_ms)]),
    money(turn.cost ?? 0),
    `${whole(turn.tokens_in ?? 0)} tokens in, ${whole(turn.tokens_out ?? 0)} out`,
    ...(turn.cached ? ['from the cache'] : []),
  ]
  out.line(`${out.style('bold', turn.id)}  ${facts.map(terminalLine).join('  ')}`)
  printText(out, 'Question', context.question)
  printText(out, 'Answer', context.answer)
  printSelection(out, report)
  printContext(out, context, all)
  printCalls(out, report)
  if (tips && tips.length > 0) {
    heading(out, 'Tips')
    for (const { severity, message, suggestion } of tips)
      out.line(`  ${severity}: ${terminalLine(message)} ${out.style('dim', terminalLine(suggestion))}`)
  }
  if (feedback) {
    const comment = feedback.comment === null ? '' : `: ${terminalLine(feedback.comment)}`
    heading(out, 'Feedback')
    out.line(`  ${feedback.grade} of 5${comment}`)
  }
}

function heading(out: Output, text: string): void {
  out.line()
  out.line(out.style('bold', text))
}

function printText(out: Output, title: string, text: string | null): void {
  heading(out, title)
  for (const line of terminalText(text ?? nothing).split('\n')) out.line(`  ${line}`)
}

function printSelection(out: Output, { selection, turn }: TurnReport): void {
  if (!selection) return
  heading(out, 'Model')
  const instead = selection.fallback ? `, and ${selection.executed_model} answered in its place` : ''
  const score = selection.complexity === null ? '' : `; complexity ${selection.complexity}`
  out.line(`  ${terminalLine(`${selection.selected_model} by ${selection.strategy}${instead}${score}`)}`)
  if (selection.selected_model !== turn.model && !selection.fallback && turn.model !== null)
    out.line(`  ${terminalLine(`The last call was answered by ${turn.model}`)}`)
  out.table(
    ['CANDIDATE', 'SOURCE', 'SCORE', 'NOTE'],
    selection.candidates.map(({ model, source, metascore, note }) => [
      model,
      source,
      metascore === undefined ? nothing : metascore.toFixed(3),
      note,
    ]),
  )
}

function printContext(out: Output, context: TurnContext, all: boolean): void {
  heading(out, 'Context')
  if (context.blocks.length === 0) {
    out.line('  What the model saw is not on record.')
    return
  }
  const { estimated_tokens_in, token_budget, billed_tokens_in, estimate_error, complexity_level } = context
  const billed =
    billed_tokens_in === null
      ? ''
      : `; the provider counted ${whole(billed_tokens_in)}${estimate_error === null ? '' : `, ${offBy(estimate_error)}`}`
  out.line(`  ${whole(estimated_tokens_in)} of ${whole(token_budget)} tokens (${complexity_level})${billed}`)
  out.table(['PART', 'SOURCE', 'TOKENS', 'SCORE', 'BEGINS WITH'], blockRows(context.blocks, all))
  if (context.left_out.length === 0) return
  heading(out, 'Left out')
  out.table(['PART', 'SOURCE', 'TOKENS', 'SCORE', 'WHY'], leftOutRows(context.left_out, all))
}

/** Skills that nothing in the message asks for are told as one line unless all are wanted. */
function leftOutRows(leftOut: readonly ContextLeftOutBlock[], all: boolean): string[][] {
  const uncalled = all ? [] : leftOut.filter(({ reason }) => reason === 'not_called_for')
  const rows = leftOut
    .filter((block) => !uncalled.includes(block))
    .map(({ kind, source, tokens: size, score, reason }) => [
      kind,
      sourceText(source),
      size === null ? nothing : whole(size),
      score === null ? nothing : score.toFixed(2),
      oneLine(reason, 60),
    ])
  if (uncalled.length > 0) rows.push(['skills', `${uncalled.length} skills`, nothing, nothing, 'not_called_for'])
  return rows
}

function offBy(error: number): string {
  if (Math.abs(error) < 0.005) return 'as estimated'
  if (error > 1) return `the estimate is ${(error + 1).toFixed(1)} times that`
  return `the estimate is ${percent(Math.abs(error))} ${error > 0 ? 'above' : 'below'} that`
}

/** Many tools, and a long conversation, are told as one line unless all are wanted. */
function blockRows(blocks: readonly ContextBlock[], all: boolean): string[][] {
  const tools = blocks.filter(({ kind }) => kind === 'tool')
  const history = blocks.filter(({ kind }) => kind === 'history')
  const earlier = all ? [] : history.slice(0, -maxMessages)
  const isFolded = (block: ContextBlock) =>
    (!all && tools.length > maxTools && block.kind === 'tool') || earlier.includes(block)
  const rows: string[][] = []
  for (const block of blocks) {
    if (!isFolded(block)) rows.push(blockRow(block))
    else if (block === tools[0]) rows.push(foldedTools(tools))
    else if (block === earlier[0])
      rows.push(['history', `${earlier.length} messages`, whole(totalOf(earlier)), nothing, ''])
  }
  return rows
}

function foldedTools(tools: readonly ContextBlock[]): string[] {
  const largest = tools
    .toSorted((left, right) => right.tokens - left.tokens)
    .slice(0, maxTools)
    .map(({ source, tokens: size }) => `${source.name} ${whole(size)}`)
  return ['tools', `${tools.length} tools`, whole(totalOf(tools)), nothing, `most for ${largest.join(', ')}`]
}

function totalOf(blocks: readonly ContextBlock[]): number {
  return blocks.reduce((sum, block) => sum + block.tokens, 0)
}

function blockRow({ kind, source, tokens: size, score, preview, reason }: ContextBlock): string[] {
  return [
    kind,
    sourceText(source),
    whole(size),
    score === null ? nothing : score.toFixed(2),
    oneLine(reason === null ? preview : `(${reason}) ${preview}`, 60),
  ]
}

function sourceText({ id, name, origin }: ContextSource): string {
  const named = name ?? id
  if (named === null) return nothing
  return origin === null ? oneLine(named, 40) : `${oneLine(named, 40)} (${oneLine(origin, 12)})`
}

function printCalls(out: Output, { context, tool_calls }: TurnReport): void {
  if (context.model_calls.length > 0) {
    heading(out, 'Model calls')
    out.table(
      ['STEP', 'MODEL', 'IN', 'OUT', 'COST', 'TOOK', 'CACHED', 'OUTCOME'],
      context.model_calls.map((call) => [
        String(call.seq),
        call.model,
        whole(call.tokens_in),
        whole(call.tokens_out),
        money(call.cost),
        took(call.latency_ms),
        call.cached ? (call.cache_level ?? 'yes') : 'no',
        [
          call.tools.length > 0 ? `asks for ${call.tools.join(', ')}` : call.finish_reason,
          ...call.failures.map(({ model, category }) => `${model} failed: ${category}`),
        ].join('; '),
      ]),
    )
  }
  if (tool_calls.length === 0) return
  heading(out, 'Tool calls')
  out.table(
    ['TOOL', 'STATUS', 'TOOK', 'INPUT', 'OUTPUT'],
    tool_calls.map((call) => [
      call.tool_name,
      call.status,
      call.duration_ms === null ? nothing : took(call.duration_ms),
      oneLine(call.input, 50),
      oneLine(call.output ?? '', 60),
    ]),
  )
}
