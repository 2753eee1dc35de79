import type { Span } from '../document.ts'
import { layOut } from '../lay-out.ts'
import type { Markup } from '../markup.ts'
import { plainText } from './plain.ts'

/** Telegram's MarkdownV2. */
export const markdownV2: Markup = {
  render: (blocks) =>
    layOut(blocks, {
      line: (spans) => spans.map(writeSpan).join(''),
      codeBlock: (text, language) => `\`\`\`${language}\n${escapeCode(text)}\n\`\`\``,
      quote: '>',
      bullet: '•',
      number: (number) => `${number}\\.`,
    }),
  plain: (blocks) => plainText(blocks),
  linkSchemes: ['http:', 'https:', 'mailto:', 'tg:'],
  tables: false,
}

/** Code is part of nothing else, and a bare address, which Telegram finds by itself, has no style. */
function writeSpan(span: Span): string {
  const { text, link } = span
  if (text.trim() === '') return escapeText(text)
  if (link === text) return escapeText(text)
  if (link !== undefined) return `[${styledText(span)}](${link.replace(/[)\\]/g, '\\$&')})`
  return span.code ? `\`${escapeCode(text)}\`` : styledText(span)
}

/** Italic is innermost: so no two underscores meet, which would be an underline. */
function styledText({ text, bold, italic, strike }: Span): string {
  let styled = escapeText(text)
  if (italic) styled = `_${styled}_`
  if (strike) styled = `~${styled}~`
  return bold ? `*${styled}*` : styled
}

function escapeText(text: string): string {
  return text.replace(/[_*[\]()~`>#+\-=|{}.!\\]/g, '\\$&')
}

function escapeCode(text: string): string {
  return text.replace(/[`\\]/g, '\\$&')
}
