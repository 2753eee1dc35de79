import type { Answer } from './answer.ts'

/** How many scores of a model count. */
const maxObservations = 100
/** How many models are remembered. */
const maxModels = 1_000
/** A local answer of at least this score was good enough. */
const acceptedScore = 0.5

const hedges =
  /\b(i'?m not sure|i am not sure|i don'?t know|i do not know|i cannot|i can'?t|perhaps|it'?s possible that|might be|hard to say|unclear)\b/gi

/** A rough score of an answer, 0 to 1, from its form alone: length, hedging, speed, and whether it ends properly. */
export function scoreAnswer({ text, tool_calls: calls, finish_reason: finish }: Answer, latencyMs: number): number {
  const trimmed = text.trim()
  if (trimmed === '' && calls.length === 0) return 0
  if (calls.length > 0) return mean([0.85, latencyScore(latencyMs), finish === 'tool_calls' ? 0.8 : 0.4])
  const endsProperly = finish === 'stop' && /[.!?)\]}"'`…。！？:]$/.test(trimmed)
  return mean([
    lengthScore(trimmed.length),
    hedgeScore(trimmed.match(hedges)?.length ?? 0),
    latencyScore(latencyMs),
    endsProperly ? 0.8 : 0.4,
  ])
}

function lengthScore(chars: number): number {
  if (chars <= 10) return 0.2
  if (chars <= 50) return 0.5
  if (chars <= 200) return 0.7
  return chars <= 1000 ? 0.85 : 0.9
}

function hedgeScore(count: number): number {
  return [1, 0.6, 0.3][count] ?? 0.1
}

function latencyScore(latencyMs: number): number {
  if (latencyMs < 200) return 0.9
  if (latencyMs < 2_000) return 0.7
  return latencyMs < 5_000 ? 0.5 : 0.3
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The last scores of each model, and how often a local one was good enough. */
export class Quality {
  readonly #scores: Map<string, number[]>
  readonly #local: boolean[] = []

  constructor(observations: Record<string, number[]> = {}) {
    this.#scores = new Map(
      Object.entries(observations).map(([model, scores]) => [model, scores.slice(-maxObservations)]),
    )
  }

  observe(model: string, score: number, isLocal: boolean): void {
    const scores = this.#scores.get(model)
    if (scores) append(scores, score)
    else this.#begin(model, score)
    if (isLocal) append(this.#local, score >= acceptedScore)
  }

  #begin(model: string, score: number) {
    const [oldest] = this.#scores.keys()
    if (this.#scores.size >= maxModels && oldest !== undefined) this.#scores.delete(oldest)
    this.#scores.set(model, [score])
  }

  count(model: string): number {
    return this.#scores.get(model)?.length ?? 0
  }

  mean(model: string): number | undefined {
    const scores = this.#scores.get(model)
    return scores?.length ? mean(scores) : undefined
  }

  get local(): { attempts: number; acceptance: number } {
    const attempts = this.#local.length
    return { attempts, acceptance: attempts === 0 ? 0.5 : this.#local.filter(Boolean).length / attempts }
  }
}

function append<T>(observations: T[], one: T) {
  observations.push(one)
  if (observations.length > maxObservations) observations.shift()
}
