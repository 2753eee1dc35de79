import { z } from 'zod'
import type { Conversation, Line, Question } from './conversation.ts'

/*
 * LoCoMo's own JSON (github.com/snap-research/locomo), which the user has: long conversations, and questions with the lines
 * that answer them.
 */

const turn = z.object({
  speaker: z.string(),
  dia_id: z.string(),
  text: z.string().default(''),
  /** What is to be seen on a picture that was sent along. */
  blip_caption: z.string().optional(),
})

const question = z.object({
  question: z.coerce.string(),
  evidence: z.array(z.coerce.string()).default([]),
  category: z.number().int(),
})

const sample = z.object({
  sample_id: z.string().optional(),
  conversation: z.record(z.string(), z.unknown()),
  qa: z.array(question),
})
export type LocomoSample = z.input<typeof sample>

/** What the categories are called in the paper; the fifth asks for what was never said. */
const kinds: Record<number, string> = { 1: 'multi-hop', 2: 'temporal', 3: 'open-domain', 4: 'single-hop' }

const sessionShape = /^session_(\d+)$/
const evidenceShape = /^D\d+:\d+$/

export function readLocomo(json: unknown): Conversation[] {
  return z
    .array(sample)
    .parse(json)
    .map(({ sample_id, conversation, qa }, at) => {
      const lines = linesOf(conversation)
      const known = new Set(lines.map(({ id }) => id))
      const questions = qa.flatMap((asked) => questionOf(asked, known))
      return { id: sample_id ?? `conversation-${at + 1}`, lines, questions }
    })
}

function linesOf(conversation: Record<string, unknown>): Line[] {
  const sessions = Object.keys(conversation)
    .flatMap((key) => sessionShape.exec(key)?.[1] ?? [])
    .map(Number)
    .sort((left, right) => left - right)
  return sessions.flatMap((number) => {
    const session = `session_${number}`
    const at = timeOf(conversation[`${session}_date_time`])
    const turns = z.array(turn).parse(conversation[session])
    return turns.map(({ speaker, dia_id, text, blip_caption }) => ({
      id: dia_id,
      session,
      speaker,
      text: blip_caption ? `${text} [${blip_caption}]` : text,
      at,
    }))
  })
}

function questionOf({ question: text, evidence, category }: z.output<typeof question>, known: Set<string>): Question[] {
  const kind = kinds[category]
  if (kind === undefined) return []
  // Several may stand in one text, such as `D8:6; D9:17`; what names no line is left out.
  const named = evidence
    .flatMap((entry) => entry.split(/[;,\s]+/))
    .filter((id) => evidenceShape.test(id) && known.has(id))
  return named.length > 0 ? [{ text, evidence: [...new Set(named)], kind }] : []
}

/** From `1:56 pm on 8 May, 2023`; its beginning where it says something else. */
function timeOf(said: unknown): string {
  const parts = /^(\d+):(\d+) ([ap])m on (\d+) (\w+), (\d+)$/i.exec(String(said).trim())
  if (!parts) return new Date(0).toISOString()
  const [, hour, minute, half, day, month, year] = parts
  const time = new Date(`${day} ${month} ${year} ${hour}:${minute} ${half}m UTC`)
  return Number.isNaN(time.getTime()) ? new Date(0).toISOString() : time.toISOString()
}
