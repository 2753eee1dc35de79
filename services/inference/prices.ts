import type { InferenceSettings, ProviderSettings } from '#sdk/services/inference.ts'
import { byModelName } from './by-model-name.ts'

/** Dollars per million tokens, in and out. Compared with the providers' public price lists in November 2025. */
const listPriceOf = byModelName<readonly [number, number]>({
  'gpt-5': [1.25, 10],
  'gpt-5-pro': [15, 120],
  'gpt-5-mini': [0.25, 2],
  'gpt-5-nano': [0.05, 0.4],
  'gpt-4.1': [2, 8],
  'gpt-4.1-mini': [0.4, 1.6],
  'gpt-4.1-nano': [0.1, 0.4],
  'gpt-4o': [2.5, 10],
  'gpt-4o-mini': [0.15, 0.6],
  'gpt-4-turbo': [10, 30],
  'gpt-3.5-turbo': [0.5, 1.5],
  o1: [15, 60],
  'o1-mini': [1.1, 4.4],
  o3: [2, 8],
  'o3-mini': [1.1, 4.4],
  'o4-mini': [1.1, 4.4],
  'text-embedding-3-small': [0.02, 0],
  'text-embedding-3-large': [0.13, 0],
  'claude-opus-4': [15, 75],
  'claude-opus-4-5': [5, 25],
  'claude-sonnet-4': [3, 15],
  'claude-haiku-4': [1, 5],
  'claude-3-opus': [15, 75],
  'claude-3-5-sonnet': [3, 15],
  'claude-3-7-sonnet': [3, 15],
  'claude-3-5-haiku': [0.8, 4],
  'claude-3-haiku': [0.25, 1.25],
  'gemini-3-pro': [2, 12],
  'gemini-2.5-pro': [1.25, 10],
  'gemini-2.5-flash': [0.3, 2.5],
  'gemini-2.5-flash-lite': [0.1, 0.4],
  'gemini-2.0-flash': [0.1, 0.4],
  'deepseek-chat': [0.28, 0.42],
  'deepseek-reasoner': [0.28, 0.42],
  'mistral-large': [2, 6],
  'mistral-small': [0.1, 0.3],
  'kimi-k2': [0.6, 2.5],
})

const tokensPerListPrice = 1_000_000

/** Dollars per token. */
export interface Price {
  input: number
  output: number
}

/** What a model costs: its own override, else its provider's price, else the list; local models cost nothing. */
export function priceOf(
  model: string,
  provider: ProviderSettings | undefined,
  overrides: InferenceSettings['model_overrides'],
): Price {
  const own = Object.hasOwn(overrides, model) ? overrides[model] : undefined
  const listed = provider?.is_local || provider?.format === 'offline' ? undefined : listPrice(model)
  return {
    input: own?.cost_per_input_token ?? provider?.cost_per_input_token ?? listed?.input ?? 0,
    output: own?.cost_per_output_token ?? provider?.cost_per_output_token ?? listed?.output ?? 0,
  }
}

function listPrice(model: string): Price | undefined {
  const price = listPriceOf(model)
  return price && { input: price[0] / tokensPerListPrice, output: price[1] / tokensPerListPrice }
}

export function isFree({ input, output }: Price): boolean {
  return input === 0 && output === 0
}

export function costOf(price: Price, usage: { tokens_in: number; tokens_out: number }): number {
  return price.input * usage.tokens_in + price.output * usage.tokens_out
}
