import { alignTable } from './align-table.ts'
import { type Block, joinSpans, linesOf, type Span } from './document.ts'

/** How a platform whose markup is lines of text writes each thing. */
export interface LineMarkup {
  /** The text of one line, without its prefix. Spans have no line breaks. */
  line(spans: readonly Span[]): string
  codeBlock(text: string, language: string): string
  /** Before each line of a quote. Quotes in quotes are one: no such platform nests them. */
  quote: string
  bullet: string
  number(number: number): string
  /** Before a heading's text; without one it is told by being bold. */
  headingPrefix?(level: number): string | null
}

const rule = '———'

/** Blocks as lines. Code blocks stand at the margin, whatever they are in: a fence with a prefix is no fence. */
export function layOut(blocks: readonly Block[], markup: LineMarkup): string {
  let out = ''
  let before: Block | undefined
  for (const block of blocks) {
    if (before) out += gap(before, block, markup)
    out += layOutBlock(block, markup)
    before = block
  }
  return out
}

function layOutBlock(block: Block, markup: LineMarkup): string {
  const { first, further } = prefixes(block, markup)
  switch (block.kind) {
    case 'code': {
      const marker = block.begins.length > 0 ? `${first.trimEnd()}\n` : ''
      return marker + markup.codeBlock(block.text, block.language)
    }
    case 'rule':
      return first + rule
    case 'text': {
      const prefix = block.level > 0 ? markup.headingPrefix?.(block.level) : ''
      const bold = block.level > 0 && !prefix
      return linesOf(block.spans)
        .map((spans) => markup.line(bold ? joinSpans(spans.map((span) => ({ ...span, bold: true }))) : spans))
        .map((line, at) => `${at === 0 ? first : further}${prefix ?? ''}${line}`)
        .join('\n')
    }
    case 'table':
      return layOutBlock(alignTable(block), markup)
  }
}

function prefixes({ within, begins }: Block, markup: LineMarkup): { first: string; further: string } {
  const quote = within.some(({ kind }) => kind === 'quote') ? markup.quote : ''
  let first = quote
  let further = quote
  for (const container of within) {
    if (container.kind !== 'item') continue
    const { number } = container
    const space = ' '.repeat(number === null ? 2 : `${number}. `.length)
    further += space
    first += begins.includes(container) ? `${number === null ? markup.bullet : markup.number(number)} ` : space
  }
  return { first, further }
}

/** Items of a list follow each other without an empty line; an empty line within a quote belongs to it. */
function gap(before: Block, block: Block, markup: LineMarkup): string {
  const list = block.within.find(({ kind }) => kind === 'list')
  if (block.begins.length > 0 && list && before.within.includes(list)) return '\n'
  const quote = block.within.find(({ kind }) => kind === 'quote')
  const inQuote = quote && before.within.includes(quote) && before.kind !== 'code' && block.kind !== 'code'
  return inQuote ? `\n${markup.quote.trimEnd()}\n` : '\n\n'
}
