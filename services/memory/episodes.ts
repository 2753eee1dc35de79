import type { Exchange, NewMemory } from '#sdk/services/memory.ts'
import { entry } from './changes.ts'
import { isFinancial, isTrivial, type TurnKind } from './classify.ts'
import { keptText } from './kept-text.ts'
import { beginningOf, chunksOf, chunkTokens } from './sentences.ts'
import { isAnswered, type Voice, voiceOf, voiceOfAnswer } from './trust.ts'

/** Of one message, in chunks; `maxChunkedBytes` keeps within it. Of one turn, the tool results: the last ones. */
const maxChunks = 60
const maxToolResults = 30
const toolImportance = 7
const financialImportance = 8
/** However a stranger writes, it counts no more than what anybody says. */
const maxUntrustedImportance = 5

export interface Speakers {
  user: string
  agent: string
}

/** What was said and what tools did, as it happened. */
export function episodesOf(exchange: Exchange, kind: TurnKind, speakers: Speakers): NewMemory[] {
  const { question, answer, authority, status } = exchange
  const financial = isFinancial(question.text)
  const said = (message: Exchange['question'], voice: Voice, name: string) => {
    const text = keptText(message.text)
    if (isTrivial(text)) return []
    return chunksOf(text)
      .slice(0, maxChunks)
      .flatMap((content) =>
        entry({
          tier: 'episodic',
          category: kind,
          content,
          name,
          importance: financial && voice.trusted ? financialImportance : salienceOf(content, voice),
          ...voice,
          message_id: message.message_id,
        }),
      )
  }
  const asked = said(question, voiceOf(authority), speakers.user)
  const answered =
    isAnswered(status) && !(isTrivial(question.text) && answer.text.length < 200)
      ? said(answer, voiceOfAnswer(exchange), speakers.agent)
      : []
  return [...asked, ...answered, ...toolResults(exchange, financial)]
}

function toolResults({ tools, answer }: Exchange, financial: boolean): NewMemory[] {
  return tools.slice(-maxToolResults).flatMap(({ name, output }) => {
    const result = keptText(output)
    if (result === '') return []
    return entry({
      tier: 'episodic',
      category: financial ? 'financial' : 'tool_use',
      content: beginningOf(`Used tool '${name}': ${result}`, chunkTokens * 4),
      name,
      importance: financial ? financialImportance : toolImportance,
      source: 'tool',
      trusted: false,
      message_id: answer.message_id,
    })
  })
}

const signs: readonly [RegExp, number][] = [
  // Dates, amounts and numbers.
  [/\d/, 1],
  // Names: a capital inside of a sentence.
  [/(?<=[\p{Ll},] )\p{Lu}\p{Ll}+/u, 1],
  [/\b(?:i|my|we|our|ich|mein|meine|wir|unser)\b/iu, 1],
  [
    /\b(?:decided|decision|agreed|important|remember|never|always|deadline|must|plan|promise|entschieden|wichtig|immer|nie)\b/iu,
    1,
  ],
  [
    /\b(?:love|hate|prefer|favou?rite|married|died|born|birthday|wedding|allergic|moved|quit|hired|liebe|hasse|geburtstag)\b/iu,
    1,
  ],
]

/** 1 to 10: how much a text says, by what is in it. A question by itself says little. */
export function salienceOf(text: string, { trusted, source }: Voice): number {
  const read = text.slice(0, 4_000)
  const base = /[?？؟]\s*$/.test(read) && read.length < 200 ? 2 : source === 'agent' ? 3 : 4
  const found = signs.reduce((sum, [sign, weight]) => sum + (sign.test(read) ? weight : 0), base)
  return Math.min(found, trusted ? 9 : maxUntrustedImportance)
}
