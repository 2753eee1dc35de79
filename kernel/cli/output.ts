import { styleText } from 'node:util'
import { terminalLine, terminalText } from '../logs/terminal-text.ts'
import type { CliIo, GlobalOptions } from './cli-io.ts'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Writes for people, or one JSON value for programs. All text is made fit for a terminal. */
export interface Output {
  readonly json: boolean
  /** JSON as it is; on a terminal the text that `render` makes of it. */
  value<T>(value: T, render: (value: T) => void): void
  line(text?: string): void
  /** As it comes, without a line end. */
  raw(text: string): void
  table(head: readonly string[], rows: readonly (readonly string[])[]): void
  note(text: string): void
  style(style: Style, text: string): string
}

export function createOutput(io: CliIo, options: GlobalOptions): Output {
  const json = options.json === true
  const coloured = io.stdout.isTTY === true && !io.env.NO_COLOR && options.color !== false && !json
  const style = (name: Style, text: string) => (coloured ? styleText(name, text, { validateStream: false }) : text)
  const line = (text = '') => void io.stdout.write(`${text}\n`)
  return {
    json,
    style,
    line,
    raw: (text) => void io.stdout.write(terminalText(text)),
    value(value, render) {
      if (json) line(JSON.stringify(value))
      else render(value)
    },
    table(head, rows) {
      const cells = rows.map((row) => row.map(terminalLine))
      const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => (row[i] ?? '').length)))
      const format = (row: readonly string[]) =>
        row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()
      line(style('dim', format(head)))
      for (const row of cells) line(format(row))
    },
    note: (text) => void io.stderr.write(`${terminalText(text)}\n`),
  }
}
