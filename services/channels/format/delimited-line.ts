import type { Span } from './document.ts'
import { trimEdges } from './trim-edges.ts'

/** How Slack and WhatsApp mark a line up: with single signs that count at the edge of a word alone, and no escape. */
export interface Delimiters {
  /** Put between a mark and a letter that it touches; where there is none such text stays unmarked. */
  separator: string | null
  escape(text: string): string
  code(text: string): string
  /** Null where it is written as any text is. */
  link(link: string, text: string): string | null
}

/** What looks the same and marks nothing. */
const lookAlikes: Readonly<Record<string, string>> = { '*': '∗', _: '＿', '~': '∼', '`': 'ˋ' }

interface Piece {
  text: string
  /** Text as it was written, in which a sign must not mark anything. */
  literal: boolean
}

export function delimitedLine(spans: readonly Span[], markup: Delimiters): string {
  const pieces: Piece[] = []
  for (const [at, span] of spans.entries()) {
    const { before, core, after } = trimEdges(span.text)
    if (before !== '') pieces.push({ text: before, literal: true })
    if (core !== '') {
      const next = after || spans[at + 1]?.text || ''
      pieces.push(...corePieces({ ...span, text: core }, pieces.at(-1), next, markup))
    }
    if (after !== '') pieces.push({ text: after, literal: true })
  }
  return withoutChanceMarks(pieces)
    .map(({ text, literal }) => (literal ? markup.escape(text) : text))
    .join('')
}

function corePieces(span: Span, before: Piece | undefined, next: string, markup: Delimiters): Piece[] {
  const { text, link } = span
  const linked = link === undefined ? null : markup.link(link, text)
  if (linked !== null) return [{ text: linked, literal: false }]
  const marks = `${span.bold ? '*' : ''}${span.italic ? '_' : ''}${span.strike ? '~' : ''}`
  if (!span.code && marks === '') return [{ text, literal: true }]

  const touchesBefore =
    before !== undefined && before.text !== markup.separator && (!before.literal || touchingEnd.test(before.text))
  const touchesNext = touchingStart.test(next)
  const separator = { text: markup.separator ?? '', literal: false }
  const marked: Piece[] = span.code
    ? [{ text: markup.code(text), literal: false }]
    : [
        { text: marks, literal: false },
        { text, literal: true },
        { text: [...marks].reverse().join(''), literal: false },
      ]
  if (!touchesBefore && !touchesNext) return marked
  if (markup.separator === null) return span.code ? marked : [{ text, literal: true }]
  return [...(touchesBefore ? [separator] : []), ...marked, ...(touchesNext ? [separator] : [])]
}

const touchingStart = /^[\p{L}\p{M}\p{N}*_~`]/u
const touchingEnd = /[\p{L}\p{M}\p{N}*_~`]$/u
const wordSign = /[\p{L}\p{M}\p{N}]/u

/** Puts a look-alike for each sign in the text that could mark something together with another of the line. */
function withoutChanceMarks(pieces: Piece[]): Piece[] {
  const line = pieces.map(({ text }) => text).join('')
  const counts = new Map<string, number>()
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at] as string
    if (sign in lookAlikes && isActive(line, at)) counts.set(sign, (counts.get(sign) ?? 0) + 1)
  }
  let start = 0
  return pieces.map((piece) => {
    const from = start
    start += piece.text.length
    if (!piece.literal) return piece
    const text = piece.text.replace(/[*_~`]/g, (sign, at: number) =>
      isActive(line, from + at) && (counts.get(sign) ?? 0) > 1 ? (lookAlikes[sign] ?? sign) : sign,
    )
    return { text, literal: true }
  })
}

/** Neither within a word nor between two spaces. */
function isActive(line: string, at: number): boolean {
  if (line[at] === '`') return true
  const before = line[at - 1] ?? ' '
  const after = line[at + 1] ?? ' '
  return !(wordSign.test(before) && wordSign.test(after)) && !(/\s/.test(before) && /\s/.test(after))
}
