import { readFileSync } from 'node:fs'
import type { ReplayChanges, ReplayReport, ReplaySide, ReplayStep } from '#sdk/contracts/replays.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { terminalLine, terminalText } from '../logs/terminal-text.ts'
import { clock } from './clock.ts'
import { sideBySide } from './columns.ts'
import type { CliSession } from './connection.ts'
import { money, took, whole } from './figures.ts'
import { given } from './given.ts'
import { oneLine } from './one-line.ts'
import type { Output } from './output.ts'

/** How long a replay may take, in milliseconds: a little longer than Keel lets it. */
const replayMs = 660_000
/** From this many columns on, two answers stand beside each other. */
const columnsForTwo = 100

export interface ReplayOptions {
  model?: string
  promptFile?: string
  append?: string
  question?: string
  temperature?: number
  maxTokens?: number
  maxSteps?: number
}

/** Has a recorded turn run again, and shows both answers with what they took. */
export async function replayTurn(session: CliSession, id: string, options: ReplayOptions): Promise<void> {
  const { client, out } = session
  const { model, promptFile, append, question, temperature, maxTokens, maxSteps } = options
  const body: ReplayChanges = given({
    model,
    system_prompt: promptFile === undefined ? undefined : readPrompt(promptFile),
    append_prompt: append,
    question,
    temperature,
    max_tokens: maxTokens,
    max_steps: maxSteps,
  })
  const call = { params: { id }, body, signal: AbortSignal.timeout(replayMs) }
  if (out.json) return out.value(await client.turns.replayTurn(call), () => {})
  for await (const event of client.turns.replayTurn.stream(call)) {
    if (event.type === 'replay_start') out.note(`${event.model} is asked …`)
    if (event.type === 'step') out.note(stepText(event.step))
    if (event.type === 'replay_end') printReport(session, event.report)
  }
}

/** The replays that are kept of a turn. */
export async function listReplays({ client, out }: CliSession, id: string): Promise<void> {
  out.value(await client.turns.listTurnReplays({ params: { id } }), ({ replays }) => {
    if (replays.length === 0) return out.line('This turn was not replayed.')
    out.table(
      ['REPLAY', 'WHEN', 'STATUS', 'MODEL', 'TOKENS', 'COST', 'TOOK', 'CHANGED', 'ANSWER'],
      replays.map(({ replay_id, created_at, replay, changes }) => [
        replay_id,
        clock(created_at),
        replay.status,
        replay.model ?? '–',
        whole(replay.tokens_in + replay.tokens_out),
        money(replay.cost),
        took(replay.latency_ms),
        Object.keys(changes).join(', ') || 'nothing',
        oneLine(replay.content, 60),
      ]),
    )
  })
}

function readPrompt(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    throw new RuntimeError('invalid', `--prompt-file: ${reasonOf(thrown)}`)
  }
}

function stepText(step: ReplayStep): string {
  if (step.kind === 'tool') return `  tool ${step.tool_name}: ${step.answered}, ${step.status}`
  const asks = step.tools.length > 0 ? `, asks for ${step.tools.join(', ')}` : ''
  return `  model ${step.model}: ${took(step.latency_ms)}, ${money(step.cost)}${asks}`
}

function printReport({ io, out }: CliSession, { replay_id, original, replay, diff, notes }: ReplayReport): void {
  for (const note of notes) out.line(out.style('yellow', terminalLine(note)))
  out.table(['', 'ORIGINAL', 'REPLAY'], compared(original, replay))
  out.line()
  const width = io.stdout.columns ?? Number(io.env.COLUMNS ?? 0)
  if (width >= columnsForTwo) {
    for (const line of sideBySide('Original', 'Replay', width)) out.line(out.style('bold', line))
    for (const line of sideBySide(terminalText(original.content), terminalText(replay.content), width)) out.line(line)
  } else {
    for (const [title, { content }] of [
      ['Original', original],
      ['Replay', replay],
    ] as const) {
      out.line(out.style('bold', title))
      out.line(terminalText(content))
    }
  }
  printDiff(out, diff)
  out.note(`kept as ${replay_id}`)
}

function compared(original: ReplaySide, replay: ReplaySide): string[][] {
  const both = (name: string, tell: (side: ReplaySide) => string) => [name, tell(original), tell(replay)]
  return [
    both('model', ({ model }) => model ?? '–'),
    both('status', ({ status, reason }) => (reason === null ? status : `${status}: ${oneLine(reason, 60)}`)),
    both('cost', ({ cost }) => money(cost)),
    both('took', ({ latency_ms }) => took(latency_ms)),
    both('tokens', ({ tokens_in, tokens_out }) => `${whole(tokens_in)} in, ${whole(tokens_out)} out`),
    both('model calls', ({ steps }) => String(steps.filter(({ kind }) => kind === 'model').length)),
    both('tool calls', ({ steps }) => toolsText(steps)),
  ]
}

function toolsText(steps: readonly ReplayStep[]): string {
  const calls = steps.flatMap((step) => {
    if (step.kind !== 'tool') return []
    return [step.answered === 'ran' ? step.tool_name : `${step.tool_name} (${step.answered})`]
  })
  return calls.length === 0 ? 'none' : calls.join(', ')
}

function printDiff(out: Output, diff: ReplayReport['diff']): void {
  out.line()
  out.line(out.style('bold', 'Difference'))
  if (diff === null) out.line('The answers are too long or too different to be compared word by word.')
  else if (diff.every(({ kind }) => kind === 'same')) out.line('None: word for word the same.')
  else out.line(diff.map((segment) => marked(out, segment)).join(''))
}

function marked(out: Output, { kind, text }: NonNullable<ReplayReport['diff']>[number]): string {
  const shown = terminalText(text)
  if (kind === 'same') return shown
  return kind === 'removed' ? out.style('red', `[-${shown}-]`) : out.style('green', `{+${shown}+}`)
}
