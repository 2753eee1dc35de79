import stringWidth from 'string-width'
import { type CodeBlock, type TableBlock, textOf } from './document.ts'
import { spellLinks } from './spell-links.ts'

/** In columns of a terminal. A longer cell stands out of its column rather than stretching every row. */
const widestColumn = 32

/** The table as text in columns of even width, for platforms that know no tables. */
export function alignTable({ columns, rows, within, begins }: TableBlock): CodeBlock {
  const cells = rows.map((row) => row.map((cell) => textOf(spellLinks(cell)).replaceAll('\n', ' ').trim()))
  const sizes = cells.map((row) => row.map(shownWidth))
  const widths = columns.map((_, column) => sizes.reduce((most, row) => Math.max(most, row[column] ?? 0), 1))
  const lines = cells.map((row, at) =>
    row
      .map((cell, column) => pad(cell, (widths[column] ?? 0) - (sizes[at]?.[column] ?? 0), columns[column]))
      .join('  ')
      .trimEnd(),
  )
  const underHead = widths.map((width) => '─'.repeat(width)).join('  ')
  const [head = '', ...body] = lines
  return { kind: 'code', language: '', text: [head, underHead, ...body].join('\n'), within, begins }
}

function shownWidth(cell: string): number {
  return cell.length > widestColumn * 4 ? widestColumn : Math.min(widestColumn, stringWidth(cell))
}

function pad(cell: string, room: number, alignment: TableBlock['columns'][number] | undefined): string {
  const before = alignment === 'right' ? room : alignment === 'center' ? Math.floor(room / 2) : 0
  return ' '.repeat(before) + cell + ' '.repeat(room - before)
}
