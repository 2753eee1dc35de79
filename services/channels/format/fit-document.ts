import { alignTable } from './align-table.ts'
import { type Block, joinSpans, paragraph, type Span } from './document.ts'
import type { Markup } from './markup.ts'
import { spellLinks } from './spell-links.ts'

/**
 * The document with what the platform can show: tables aligned as text and links written out where it has none, or where
 * one by itself would leave no room in a part. `size`: of blocks that are written out, as a share of a part.
 */
export function fitDocument(blocks: readonly Block[], markup: Markup, size: (blocks: Block[]) => number): Block[] {
  const short = new Map<string, boolean>()
  function isShort(link: string): boolean {
    const known = short.get(link) ?? size([{ ...paragraph(''), spans: [{ text: '.', link }] }]) <= 1 / 2
    short.set(link, known)
    return known
  }

  function fitSpans(spans: readonly Span[]): Span[] {
    const spelled = spellLinks(spans, (link) => isShort(link) && markup.linkSchemes.includes(new URL(link).protocol))
    return joinSpans(
      spelled.map(({ link, ...span }) => (link === undefined || !isShort(link) ? span : { ...span, link })),
    )
  }

  return blocks.map((block) => {
    if (block.kind === 'text') return { ...block, spans: fitSpans(block.spans) }
    if (block.kind !== 'table') return block
    const table = { ...block, rows: block.rows.map((row) => row.map(fitSpans)) }
    return markup.tables && size([table]) <= 1 ? table : alignTable(table)
  })
}
