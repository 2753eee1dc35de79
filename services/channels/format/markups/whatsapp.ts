import { delimitedLine } from '../delimited-line.ts'
import { layOut } from '../lay-out.ts'
import type { Markup } from '../markup.ts'
import { plainText } from './plain.ts'

/** WhatsApp's own marks. */
export const whatsapp: Markup = {
  render: (blocks) =>
    layOut(blocks, {
      line: (spans) =>
        delimitedLine(spans, {
          separator: null,
          escape: (text) => text,
          code: (text) => `\`\`\`${unfenced(text)}\`\`\``,
          link: (link, text) => (link === text ? link.replace(atEdge, encode) : null),
        }).replace(/^(\s*)>/, '$1\u200B>'),
      codeBlock: (text) => `\`\`\`\n${unfenced(text)}\n\`\`\``,
      quote: '> ',
      bullet: '•',
      number: (number) => `${number}.`,
    }),
  plain: (blocks) => plainText(blocks),
  linkSchemes: [],
  tables: false,
}

/** Backticks kept apart, from each other and from the fence. */
function unfenced(text: string): string {
  return text.replace(/`/g, '\u200B`\u200B')
}

const atEdge = /(?<![\p{L}\p{N}])[*_~`]|[*_~`](?![\p{L}\p{N}])/gu

/** A sign of a mark within an address, which means the same there. */
function encode(sign: string): string {
  return `%${sign.charCodeAt(0).toString(16).toUpperCase()}`
}
