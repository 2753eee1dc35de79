import { type Block, textOf } from '../document.ts'
import { layOut } from '../lay-out.ts'
import type { Markup } from '../markup.ts'
import { spellLinks } from '../spell-links.ts'

/** Text without markup; `write` makes harmless what the platform would still take for more than text. */
export function plainText(blocks: readonly Block[], write: (text: string) => string = (text) => text): string {
  return layOut(blocks, {
    line: (spans) => write(textOf(spellLinks(spans))),
    codeBlock: (text) => write(text),
    quote: write('> '),
    bullet: '•',
    number: (number) => `${number}.`,
  })
}

export const plain: Markup = {
  render: (blocks) => plainText(blocks),
  plain: (blocks) => plainText(blocks),
  linkSchemes: [],
  tables: false,
}
