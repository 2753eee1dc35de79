import { readFileSync } from 'node:fs'
import type { Bench, Figure } from './bench.ts'
import { readLocomo } from './retrieval/locomo.ts'
import { makeConversations } from './retrieval/made-conversations.ts'
import { qualityOf } from './retrieval/metrics.ts'
import { measureQuality } from './retrieval/quality.ts'
import { measureScale, type Scale } from './retrieval/scale.ts'

const madeConversations = { quick: 4, full: 10 }
const questions = { quick: 150, full: 500 }
/** Milliseconds at the 99th percentile, by entries. */
const goals = [
  { entries: 10_000, atMost: 10 },
  { entries: 100_000, atMost: 25 },
  { entries: 1_000_000, atMost: 150 },
]
/** Of the evidence among the first ten, on LoCoMo itself. */
const locomoGoal = 0.75

export const memory: Bench = {
  about: 'what a question finds again in long conversations, by words, by vectors and by both; and how long it takes',
  async run({ quick, seed, data, say }) {
    say(data === undefined ? 'conversations that are made from the seed' : `conversations of ${data}`)
    const found = await qualityFigures({ quick, seed, data })
    const timed: Figure[] = []
    for (const { entries, atMost } of goals) {
      if (data !== undefined || (quick && entries >= 1_000_000)) continue
      say(`${entries} entries`)
      const scale = await measureScale(entries, { seed, questions: quick ? questions.quick : questions.full })
      timed.push(...scaleFigures(scale, atMost))
    }
    return [...found, ...timed]
  },
}

interface Choice {
  quick: boolean
  seed: number
  data: string | undefined
}

async function qualityFigures({ quick, seed, data }: Choice): Promise<Figure[]> {
  const samples =
    data === undefined
      ? makeConversations(seed, quick ? madeConversations.quick : madeConversations.full)
      : JSON.parse(readFileSync(data, 'utf8'))
  const measured = await measureQuality(readLocomo(samples))
  const bestPart = Math.max(...measured.flatMap(({ way, quality }) => (way === 'fused' ? [] : quality.recall10)))
  return measured.flatMap(({ way, quality, answers }) => {
    const isFused = way === 'fused'
    const goal = data === undefined ? bestPart : Math.max(bestPart, locomoGoal)
    const kinds = isFused ? Map.groupBy(answers, ({ question }) => question.kind) : new Map()
    return [
      { what: `${way}, ${quality.questions} questions: recall@5`, value: quality.recall5, unit: 'ratio' },
      {
        ...{ what: `… recall@10`, value: quality.recall10, unit: 'ratio' },
        ...(isFused && { goal: { atLeast: goal }, gross: { atLeast: bestPart } }),
      },
      { what: '… MRR', value: quality.mrr, unit: 'ratio' },
      ...[...kinds].map(([kind, group]) => {
        const part = qualityOf(group)
        return { what: `… ${kind}, ${part.questions} questions: recall@10`, value: part.recall10, unit: 'ratio' }
      }),
    ]
  })
}

function scaleFigures({ entries, p50Ms, p99Ms, rssMb, loadSeconds, ingestRate }: Scale, atMost: number): Figure[] {
  return [
    { what: `${entries} entries: a question of six words`, value: p50Ms, unit: 'ms p50' },
    { what: '…', value: p99Ms, unit: 'ms p99', goal: { atMost }, gross: { atMost: atMost * 10 } },
    { what: '… memory for searching them', value: rssMb, unit: 'MB RSS' },
    { what: '… all vectors are loaded after', value: loadSeconds, unit: 's' },
    { what: '… written, with the text index', value: ingestRate, unit: 'per second' },
  ]
}
