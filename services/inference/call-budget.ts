import { type BudgetRefusal, type BudgetStanding, minAnswerTokens, type WorstCase } from '#sdk/budgets.ts'
import type { InferenceRequest, InferenceSettings } from '#sdk/services/inference.ts'
import { type BudgetDesk, hasLine, type Reservation } from './budget-desk.ts'
import { configuredModels, providerOf } from './model-names.ts'
import { outputLimitOf } from './output-limits.ts'
import { isFree, type Price, priceOf } from './prices.ts'
import { mostInputTokens } from './worst-case.ts'

/** Sums that crossed the wire as dollars may be off by less than this. */
const dollarSlack = 2e-9

/** What a model may be asked for within the budgets. */
export interface Offer {
  /** The most that it may answer; undefined leaves that to the model. */
  maxTokens: number | undefined
  /** What is to be set aside; undefined where no hard line applies. */
  worst: WorstCase | undefined
}

type Judged = { offer: Offer } | { refusal: BudgetRefusal }

interface BudgetedCall {
  request: InferenceRequest
  pinned: string | undefined
  settings: InferenceSettings
}

/** How the budgets of a call's account stand; undefined where no line applies to any model that might answer. */
export async function lookAtBudgets(
  desk: BudgetDesk,
  call: BudgetedCall,
  signal: AbortSignal,
): Promise<CallBudget | undefined> {
  const { budgets } = call.settings
  const { account } = call.request
  const applies =
    hasLine(budgets, account, 'tokens', 'any') || (hasLine(budgets, account, 'cost', 'any') && mayCost(call))
  return applies ? new CallBudget(desk, call, await desk.standings(account, signal)) : undefined
}

function mayCost({ pinned, settings }: BudgetedCall): boolean {
  const { fallbacks, override, routing } = settings
  const models = pinned === undefined ? [override, routing.canary_model, ...configuredModels(settings)] : [pinned]
  return [...models, ...fallbacks].some((model) => model !== null && !isFree(priceIn(settings, model)))
}

function priceIn(settings: InferenceSettings, model: string): Price {
  return priceOf(model, providerOf(settings, model), settings.model_overrides)
}

/** What the budgets allow one call, as they stood when it began; what is set aside decides. */
export class CallBudget {
  readonly #desk: BudgetDesk
  readonly #request: InferenceRequest
  readonly #settings: InferenceSettings
  readonly #standings: readonly BudgetStanding[]
  readonly #judged = new Map<string, Judged>()

  constructor(desk: BudgetDesk, { request, settings }: BudgetedCall, standings: readonly BudgetStanding[]) {
    this.#desk = desk
    this.#request = request
    this.#settings = settings
    this.#standings = standings
  }

  /** A line from which on the cheaper is preferred. */
  get softLine(): BudgetStanding | undefined {
    return this.#standings.find(({ soft, spent }) => soft !== null && spent >= soft)
  }

  refusalOf(model: string): BudgetRefusal | undefined {
    const judged = this.#judge(model)
    return 'refusal' in judged ? judged.refusal : undefined
  }

  /** Tells of the lines that keep the call from these models. */
  noteRefusals(models: readonly string[]): void {
    const refusals = models.flatMap((model) => this.refusalOf(model) ?? [])
    const byPlace = new Map(refusals.map((refusal) => [`${refusal.scope} ${refusal.key}`, refusal]))
    for (const refusal of byPlace.values()) this.#desk.noteHardLine(refusal)
  }

  /** Sets aside what the model's answer may come to. */
  async reserve(
    model: string,
    signal: AbortSignal,
  ): Promise<{ maxTokens: number | undefined; reservation?: Reservation } | { refusal: BudgetRefusal }> {
    const judged = this.#judge(model)
    if ('refusal' in judged) return judged
    const { maxTokens, worst } = judged.offer
    if (!worst) return { maxTokens }
    const { account } = this.#request
    const reserved = await this.#desk.reserve({ account, model, worst }, signal)
    return 'refusal' in reserved ? reserved : { maxTokens, reservation: reserved.reservation }
  }

  #judge(model: string): Judged {
    const known = this.#judged.get(model) ?? this.#offerOf(model)
    this.#judged.set(model, known)
    return known
  }

  #offerOf(model: string): Judged {
    const { max_tokens: asked } = this.#request
    const price = priceIn(this.#settings, model)
    const lines = this.#standings.flatMap((standing) => {
      const { soft: _, hard, ...rest } = standing
      const applies = hard !== null && (rest.measure === 'tokens' || !isFree(price))
      return applies ? [{ ...rest, hard }] : []
    })
    if (lines.length === 0) return { offer: { maxTokens: asked, worst: undefined } }
    const format = providerOf(this.#settings, model)?.format ?? 'openai'
    const input = mostInputTokens(this.#request, format)
    const limit = asked ?? Math.min(this.#settings.budgets.max_output_tokens, outputLimitOf(model))
    const least = asked ?? Math.min(limit, minAnswerTokens)
    let maxTokens = limit
    for (const line of lines) {
      const payable = payableTokens(line, input, price)
      if (payable < least) return { refusal: line }
      maxTokens = Math.min(maxTokens, payable)
    }
    maxTokens = asked ?? maxTokens
    return {
      offer: {
        maxTokens,
        worst: { cost: input * price.input + maxTokens * price.output, tokens: input + maxTokens },
      },
    }
  }
}

/** How long an answer the rest of a budget pays for, once it has paid for the question. */
function payableTokens({ measure, hard, spent, reserved }: BudgetRefusal, input: number, price: Price): number {
  const left = hard - spent - reserved
  if (measure === 'tokens') return Math.floor(left - input)
  const forAnswer = left - dollarSlack - input * price.input
  if (forAnswer < 0) return -1
  return price.output === 0 ? Number.POSITIVE_INFINITY : Math.floor(forAnswer / price.output)
}
