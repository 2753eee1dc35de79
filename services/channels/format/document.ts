/** Text in one style. Its text has no other controls than line breaks. */
export interface Span {
  text: string
  bold?: boolean
  italic?: boolean
  strike?: boolean
  code?: boolean
  /** Where it leads to: an absolute address of a scheme in `linkSchemes`. */
  link?: string
}

/** What blocks stand in, by identity: blocks of the same quote, list or item hold the same object. */
export type Container = { kind: 'quote' } | { kind: 'list'; ordered: boolean } | Item

export interface Item {
  kind: 'item'
  /** Null in a list without numbers. */
  number: number | null
}

interface Placed {
  /** From the outermost on. */
  within: readonly Container[]
  /** The items that start with this block, from the outermost on. */
  begins: readonly Item[]
}

export interface TextBlock extends Placed {
  kind: 'text'
  /** 1 to 6 for a heading, 0 for a paragraph. */
  level: number
  spans: readonly Span[]
}

export interface CodeBlock extends Placed {
  kind: 'code'
  /** Empty where none is named. */
  language: string
  text: string
}

export interface TableBlock extends Placed {
  kind: 'table'
  columns: readonly ('left' | 'center' | 'right')[]
  /** The first is the head. */
  rows: readonly (readonly (readonly Span[])[])[]
}

export interface RuleBlock extends Placed {
  kind: 'rule'
}

/** A document is a row of blocks, each of which knows what it stands in: so any run of them is a document again. */
export type Block = TextBlock | CodeBlock | TableBlock | RuleBlock

/** A paragraph of its own. */
export function paragraph(text: string): TextBlock {
  return { kind: 'text', level: 0, spans: [{ text }], within: [], begins: [] }
}

export function textOf(spans: readonly Span[]): string {
  return spans.map((span) => span.text).join('')
}

function sameStyle(a: Span, b: Span): boolean {
  return (
    !a.bold === !b.bold &&
    !a.italic === !b.italic &&
    !a.strike === !b.strike &&
    !a.code === !b.code &&
    a.link === b.link
  )
}

/** Neighbours of one style made one, and none empty: so that what is read as one text is one. */
export function joinSpans(spans: readonly Span[]): Span[] {
  const joined: Span[] = []
  for (const span of spans) {
    const last = joined.at(-1)
    if (last && sameStyle(last, span)) last.text += span.text
    else if (span.text !== '') joined.push({ ...span })
  }
  return joined
}

/** The spans between two offsets of their text. */
export function sliceSpans(spans: readonly Span[], from: number, to: number): Span[] {
  const slice: Span[] = []
  let start = 0
  for (const span of spans) {
    if (start >= to) break
    const end = start + span.text.length
    if (start >= from && end <= to) slice.push(span)
    else if (end > from) slice.push({ ...span, text: span.text.slice(Math.max(0, from - start), to - start) })
    start = end
  }
  return slice
}

/** The spans without the white space they start with. */
export function trimSpansStart(spans: readonly Span[]): Span[] {
  const at = spans.findIndex(({ text }) => text.trimStart() !== '')
  const first = spans[at]
  return first ? [{ ...first, text: first.text.trimStart() }, ...spans.slice(at + 1)] : []
}

/** The spans of each line. */
export function linesOf(spans: readonly Span[]): Span[][] {
  const lines: Span[][] = [[]]
  for (const span of spans) {
    for (const [at, text] of span.text.split('\n').entries()) {
      if (at > 0) lines.push([])
      if (text !== '') lines.at(-1)?.push({ ...span, text })
    }
  }
  return lines
}
