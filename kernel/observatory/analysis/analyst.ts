import type { z } from 'zod'
import type { Payer } from '#kernel/budgets/payer.ts'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import { Slots } from '#kernel/slots.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { jsonObjectIn } from '#sdk/json-in-text.ts'
import { estimateTokens } from '#sdk/messages.ts'
import type { Client } from '#sdk/service.ts'
import type { InferenceRequest, InferenceResult, inferenceService } from '#sdk/services/inference.ts'
import { cheapestModel, isOffline } from './cheapest-model.ts'

/** Analyses at a time, those that may wait for a place, and how long they may, in milliseconds. */
const maxAtOnce = 3
const maxWaiting = 16
const maxWaitMs = 60_000
/** When somebody who found no place may try again, in seconds. */
const retryAfterSeconds = 30
/** Both calls of one analysis together, in milliseconds. */
const maxAskMs = 180_000
const attempts = 2
/** A longer answer is not read, in characters. */
const maxAnswerChars = 64 * 1024
const temperature = 0.2
const place = 'analysis'

/** What stands for the model where none was of use. */
export const heuristic = 'heuristic'

export interface Question<T> {
  purpose: Extract<InferenceRequest['purpose'], 'analysis' | 'recommendations'>
  /** What is to be done, in our words alone. */
  instructions: string
  /** What it is to be done with; what others wrote in it is marked as theirs. */
  text: string
  answer: z.ZodType<T>
  /** Tokens. */
  maxAnswer: number
  turn_id: string | null
  account: Payer
}

/** What came of a question, and what it has cost in any case. */
export interface Asked<T> {
  answer: T | null
  /** Why there is no answer; null where there is one. */
  reason: string | null
  model: string
  tokens_in: number
  tokens_out: number
  cost: number
}

export interface AnalystDeps {
  config: Pick<LiveConfig, 'current'>
  inference: Pick<Client<typeof inferenceService>, 'complete' | 'routingDiagnostics'>
  /** How long one may wait for a place, in milliseconds. */
  waitMs?: number
}

/** Asks the cheapest model that will do, a few questions at a time, and takes for an answer only what has the asked form. */
export class Analyst {
  readonly #deps: AnalystDeps
  readonly #slots = new Slots({
    max: maxAtOnce,
    maxOfOne: maxAtOnce,
    maxWaiting,
    what: 'an analysis',
    retryAfterSeconds,
  })

  constructor(deps: AnalystDeps) {
    this.#deps = deps
  }

  /** Does the work when there is a place for it. Throws `unavailable` when none comes free in time. */
  async inPlace<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const patience = AbortSignal.timeout(this.#deps.waitMs ?? maxWaitMs)
    const release = await this.#slots.take(place, AbortSignal.any([signal, patience])).catch((thrown: unknown) => {
      if (signal.aborted || !patience.aborted) throw thrown
      throw new RuntimeError('unavailable', `${maxAtOnce} analyses are under way and none has ended in time`, {
        retry_after_seconds: retryAfterSeconds,
      })
    })
    try {
      return await work()
    } finally {
      release()
    }
  }

  /**
   * The answer, or why there is none: no model is usable, or twice it did not have the form. Throws `upstream_failed`
   * with the failure's category when the model could not be asked.
   */
  async ask<T>(question: Question<T>, signal: AbortSignal): Promise<Asked<T>> {
    const spent = { tokens_in: 0, tokens_out: 0, cost: 0 }
    const without = (reason: string): Asked<T> => ({ answer: null, reason, model: heuristic, ...spent })
    const chosen = await this.#choose(question, signal)
    if ('reason' in chosen) return without(chosen.reason)
    const deadline = AbortSignal.timeout(maxAskMs)
    let complaint: string | null = null
    for (let attempt = 1; attempt <= attempts; attempt++) {
      let result: InferenceResult
      try {
        result = await this.#deps.inference.complete(requestOf(question, chosen.model, complaint), {
          signal: AbortSignal.any([signal, deadline]),
        })
      } catch (thrown) {
        if (signal.aborted) throw new RuntimeError('cancelled', undefined, undefined, { cause: thrown })
        const reason = unusable(thrown)
        if (reason !== undefined) return without(reason)
        throw failed(thrown, deadline)
      }
      spent.tokens_in += result.usage.tokens_in
      spent.tokens_out += result.usage.tokens_out
      spent.cost += result.cost
      const read = readAnswer(question.answer, result)
      if ('answer' in read) return { answer: read.answer, reason: null, model: result.model, ...spent }
      complaint = read.complaint
    }
    return without(`${chosen.model} answered ${attempts} times in another form than it was asked for: ${complaint}`)
  }

  async #choose(
    { instructions, text, maxAnswer }: Question<unknown>,
    signal: AbortSignal,
  ): Promise<{ model: string } | { reason: string }> {
    const { analysis: wanted } = this.#deps.config.current().models
    const { profiles } = await this.#deps.inference.routingDiagnostics(
      { also: wanted === null ? [] : [wanted] },
      { signal },
    )
    if (wanted !== null) {
      const profile = profiles.find(({ model_name }) => model_name === wanted)
      if (profile?.usable && !isOffline(wanted)) return { model: wanted }
      return { reason: `models.analysis is ${wanted}: ${profile?.usable ? 'it is no language model' : profile?.note}` }
    }
    const cheapest = cheapestModel(profiles, { tokens_in: estimateTokens(instructions + text), tokens_out: maxAnswer })
    return cheapest ? { model: cheapest.model_name } : { reason: 'no language model is configured and usable' }
  }
}

function requestOf(
  { purpose, instructions, text, maxAnswer, turn_id, account }: Question<unknown>,
  model: string,
  complaint: string | null,
) {
  const again = complaint === null ? '' : `\n\nYour last answer could not be read: ${complaint}. Answer anew.`
  return {
    request_id: newId(),
    model,
    // Whoever runs it has chosen where such texts go.
    fallback: false,
    purpose,
    turn_id,
    account,
    max_tokens: maxAnswer,
    temperature,
    messages: [
      { role: 'system' as const, content: `${instructions}${again}` },
      { role: 'user' as const, content: text },
    ],
  }
}

/** The complaint is in our own words: what the model wrote is not told back to it as if it were ours. */
function readAnswer<T>(
  schema: z.ZodType<T>,
  { text, finish_reason }: InferenceResult,
): { answer: T } | { complaint: string } {
  const json = text.length > maxAnswerChars ? undefined : jsonObjectIn(text)
  if (json === undefined) return { complaint: 'it holds no JSON object' }
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return { complaint: finish_reason === 'length' ? 'it was cut off, be briefer' : 'its JSON is not valid' }
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return { answer: parsed.data }
  const [issue] = parsed.error.issues
  const path = issue?.path.filter((key) => typeof key === 'number' || /^\w{1,40}$/.test(String(key))).join('.')
  return {
    complaint: `${path || 'the object'}: ${issue?.code === 'invalid_value' ? issue.message : 'is missing or not of the asked type'}`,
  }
}

/** Nothing was asked because nothing can be: then the rules speak, as they do where no model is configured. */
function unusable(thrown: unknown): string | undefined {
  if (!isErrorOf(thrown, 'upstream_failed')) return undefined
  const { category } = thrown.details ?? {}
  return category === 'no_provider' || category === 'breaker' ? thrown.message : undefined
}

function failed(thrown: unknown, deadline: AbortSignal): unknown {
  if (deadline.aborted) {
    const message = `analysis provider call failed: no answer within ${maxAskMs / 1000} s`
    return new RuntimeError('upstream_failed', message, { category: 'timeout' }, { cause: thrown })
  }
  if (!isErrorOf(thrown, 'upstream_failed')) return thrown
  return new RuntimeError('upstream_failed', `analysis provider call failed: ${thrown.message}`, thrown.details, {
    cause: thrown,
  })
}
