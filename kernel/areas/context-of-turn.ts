import type { ReadableDb } from '#kernel/store/database.ts'
import { findMessage, type MessageBeginning, messageBeginnings } from '#kernel/store/messages.ts'
import type { TurnRow } from '#kernel/store/turns.ts'
import type { ContextBlock, ContextLeftOutBlock, ContextSource, TurnModelCall } from '#sdk/contracts/context-blocks.ts'
import type { TurnContext } from '#sdk/contracts/turns.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import { estimateTokens } from '#sdk/messages.ts'
import { redactText } from '#sdk/redact.ts'
import type { ContextPlan, TurnStep } from '#sdk/services/agent.ts'

const previewChars = 200
/** A secret that begins within the preview is known by what follows it, so more than the preview is looked at. */
const lookedAtChars = 1_000
const maxTextBytes = 65_536

type ContextOfTurn = Pick<
  TurnContext,
  | 'question'
  | 'answer'
  | 'question_tokens'
  | 'blocks'
  | 'left_out'
  | 'estimated_tokens_in'
  | 'billed_tokens_in'
  | 'estimate_error'
  | 'model_calls'
>

/** What a turn's model saw, part by part, what was left out, and what its calls took; of old turns what was kept. */
export function contextOfTurn(
  db: ReadableDb,
  { user_message_id, assistant_message_id }: TurnRow,
  steps: readonly Exclude<TurnStep, { kind: 'tool' }>[],
): ContextOfTurn {
  const plan = steps.find((step) => step.kind === 'context')?.plan
  const textOf = (id: string | null) => (id === null ? undefined : findMessage(db, id)?.content)
  const question = textOf(user_message_id)
  const answer = textOf(assistant_message_id)
  const blocks = plan ? blocksOf(db, plan, { id: user_message_id, text: question ?? '' }) : []
  const model_calls = steps.flatMap(modelCall)
  const estimated_tokens_in = sumOf(blocks)
  const first = model_calls[0]
  const billed = blocks.length > 0 && first && !first.estimated && !first.cached ? first.tokens_in : null
  return {
    question: question === undefined ? null : cutOutput(question, maxTextBytes),
    answer: answer === undefined ? null : cutOutput(answer, maxTextBytes),
    question_tokens: sumOf(blocks.filter(({ kind }) => kind === 'question')),
    blocks,
    left_out: plan ? leftOutOf(plan) : [],
    estimated_tokens_in,
    billed_tokens_in: billed,
    estimate_error: billed === null || billed === 0 ? null : estimated_tokens_in / billed - 1,
    model_calls,
  }
}

function blocksOf(db: ReadableDb, plan: ContextPlan, question: { id: string | null; text: string }): ContextBlock[] {
  const { skills, skill_index } = plan
  const ofSkills = skills.reduce((sum, { tokens }) => sum + tokens, 0) + skill_index.tokens
  const prompt = block('system_prompt', plan.system_prompt_tokens - ofSkills, { preview: plan.system_prompt })
  return [
    prompt,
    ...skills.map(({ id, name, hash, reason, tokens }) => {
      const preview = plan.system_prompt.split(`### ${name}\n`, 2)[1] ?? ''
      return block('skill', tokens, { source: { id, name, origin: hash }, reason, preview })
    }),
    ...(skill_index.count > 0
      ? [block('skill_index', skill_index.tokens, { source: { name: `${skill_index.count} skills` } })]
      : []),
    ...toolBlocks(plan),
    ...historyBlocks(db, plan),
    ...memoryBlocks(plan),
    block('question', plan.question_tokens ?? estimateTokens(question.text), {
      source: { id: question.id, name: 'user' },
      preview: question.text,
    }),
  ].filter(({ tokens }) => tokens > 0)
}

/** Plans of earlier builds know what the tools take together. */
function toolBlocks({ tools, tool_definition_tokens }: ContextPlan): ContextBlock[] {
  if (tools.length === 0) return [block('tools', tool_definition_tokens, {})]
  return tools.map(({ name, tokens, origin }) => block('tool', tokens, { source: { name, origin } }))
}

/** Plans of earlier builds know what the messages take together. */
function historyBlocks(db: ReadableDb, plan: ContextPlan): ContextBlock[] {
  const { history_message_ids: ids, history_message_tokens: tokens, history_tokens } = plan
  if (tokens.length !== ids.length)
    return [block('history', history_tokens, { source: { name: `${ids.length} messages` } })]
  const known = new Map<string, MessageBeginning>(
    messageBeginnings(db, ids, lookedAtChars).map((message) => [message.id, message]),
  )
  return ids.map((id, at) => {
    const message = known.get(id)
    return block('history', tokens[at] ?? 0, {
      source: { id, name: message?.role ?? null },
      preview: message?.beginning ?? '',
    })
  })
}

function memoryBlocks({ memory, memory_tokens }: ContextPlan): ContextBlock[] {
  const ofEntries = memory.entries.reduce((sum, { tokens }) => sum + tokens, 0)
  return [
    block('memory_frame', memory_tokens - ofEntries, {}),
    ...memory.entries.map(({ id, tier, tokens, scores, preview, source }) =>
      block('memory', tokens, { source: { id, name: tier, origin: source }, score: scores.total, preview }),
    ),
  ]
}

function leftOutOf({ left_out, dropped_history, memory }: ContextPlan): ContextLeftOutBlock[] {
  const { history, older_history, skills, tools } = left_out
  const unnamed = dropped_history - history.length
  const more = (name: string, reason: string) => leftOut('history', { source: { name }, reason })
  return [
    ...history.map(({ id, tokens }) => leftOut('history', { source: { id }, tokens, reason: 'budget' })),
    ...(unnamed > 0 ? [more(`${unnamed} ${history.length > 0 ? 'older ' : ''}messages`, 'budget')] : []),
    ...(older_history ? [more('what was said before', 'not_looked_at')] : []),
    ...memory.left_out.map(({ id, tier, score, reason }) =>
      leftOut('memory', { source: { id, name: tier }, score, reason }),
    ),
    ...(memory.unavailable === null ? [] : [leftOut('memory', { reason: memory.unavailable })]),
    ...skills.map(({ name, tokens, reason }) => leftOut('skill', { source: { name }, tokens, reason })),
    ...tools.map(({ name, reason }) => leftOut('tool', { source: { name }, reason })),
  ]
}

const nowhere: ContextSource = { id: null, name: null, origin: null }

function block(
  kind: ContextBlock['kind'],
  tokens: number,
  {
    source,
    score = null,
    reason = null,
    preview = '',
  }: { source?: Partial<ContextSource>; score?: number | null; reason?: string | null; preview?: string },
): ContextBlock {
  const beginning = redactText(preview.slice(0, lookedAtChars)).slice(0, previewChars).toWellFormed()
  return { kind, source: { ...nowhere, ...source }, tokens: Math.max(0, tokens), score, reason, preview: beginning }
}

function leftOut(
  kind: ContextLeftOutBlock['kind'],
  {
    source,
    tokens = null,
    score = null,
    reason,
  }: { source?: Partial<ContextSource>; tokens?: number | null; score?: number | null; reason: string },
): ContextLeftOutBlock {
  return { kind, source: { ...nowhere, ...source }, tokens, score, reason }
}

function modelCall(step: TurnStep): TurnModelCall[] {
  if (step.kind !== 'inference' || !step.result) return []
  const { model, selected_model, usage, cost, latency_ms, cached, cache_level, finish_reason, tool_calls, failures } =
    step.result
  const tools = tool_calls.map(({ name }) => name)
  const { tokens_in, tokens_out, estimated } = usage
  const numbers = { tokens_in, tokens_out, estimated, cost, latency_ms }
  return [{ seq: step.seq, model, selected_model, ...numbers, cached, cache_level, finish_reason, tools, failures }]
}

function sumOf(blocks: readonly ContextBlock[]): number {
  return blocks.reduce((sum, { tokens }) => sum + tokens, 0)
}
