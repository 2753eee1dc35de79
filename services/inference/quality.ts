import type { Answer } from './answer.ts'

/** How many scores of a model count. */
const maxObservations = 100
/** A person's grade says more than what the form of an answer tells: it counts as so many scores. */
const gradeWeight = 5
const highestGrade = 5
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

/** 1 is worth nothing, 5 is worth 1. */
function worthOf(grade: number): number {
  return (grade - 1) / (highestGrade - 1)
}

function makeRoom(map: Map<string, unknown>, max: number) {
  const [oldest] = map.keys()
  if (map.size >= max && oldest !== undefined) map.delete(oldest)
}

function mean(values: number[]): number {
  return sum(values) / values.length
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

export interface Grade {
  model: string
  turn_id: string
  /** 1 to 5. */
  grade: number
}

/** The last scores of each model and the last grades of its turns, and how often a local one was good enough. */
export class Quality {
  readonly #scores: Map<string, number[]>
  /** By model and turn, the one graded last at the end. */
  readonly #grades = new Map<string, Map<string, number>>()
  readonly #local: boolean[] = []

  constructor(observations: Record<string, number[]> = {}, grades: readonly Grade[] = []) {
    this.#scores = new Map(
      Object.entries(observations).map(([model, scores]) => [model, scores.slice(-maxObservations)]),
    )
    for (const one of grades) this.grade(one)
  }

  observe(model: string, score: number, isLocal: boolean): void {
    const scores = this.#scores.get(model)
    if (scores) append(scores, score)
    else this.#begin(model, score)
    if (isLocal) append(this.#local, score >= acceptedScore)
  }

  #begin(model: string, score: number) {
    makeRoom(this.#scores, maxModels)
    this.#scores.set(model, [score])
  }

  /** What a person thinks of a turn's answer; a turn that is graded anew has no other grade. */
  grade({ model, turn_id, grade }: Grade): void {
    let ofModel = this.#grades.get(model)
    if (!ofModel) {
      makeRoom(this.#grades, maxModels)
      ofModel = new Map()
      this.#grades.set(model, ofModel)
    }
    ofModel.delete(turn_id)
    makeRoom(ofModel, maxObservations)
    ofModel.set(turn_id, grade)
  }

  /** How many answers of it were judged, by their form or by a person. */
  count(model: string): number {
    return (this.#scores.get(model)?.length ?? 0) + (this.#grades.get(model)?.size ?? 0)
  }

  /** 0 to 1; undefined while nothing of it was judged. */
  mean(model: string): number | undefined {
    const scores = this.#scores.get(model) ?? []
    const grades = [...(this.#grades.get(model)?.values() ?? [])]
    const weight = scores.length + gradeWeight * grades.length
    return weight === 0 ? undefined : (sum(scores) + gradeWeight * sum(grades.map(worthOf))) / weight
  }

  grades(model: string): { grade_count: number; avg_grade: number | null } {
    const grades = [...(this.#grades.get(model)?.values() ?? [])]
    return { grade_count: grades.length, avg_grade: grades.length === 0 ? null : mean(grades) }
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
