import { delimitedLine } from '../delimited-line.ts'
import { layOut } from '../lay-out.ts'
import type { Markup } from '../markup.ts'
import { plainText } from './plain.ts'

/** Slack's mrkdwn. All that Slack reads as a command or a mention starts with `<`, which is always escaped. */
export const mrkdwn: Markup = {
  render: (blocks) =>
    layOut(blocks, {
      line: (spans) =>
        delimitedLine(spans, {
          separator: '\u200B',
          escape: escapeText,
          code: (text) => `\`${escapeText(text.replaceAll('`', 'ˋ'))}\``,
          link: (link, text) => (link === text ? `<${target(link)}>` : `<${target(link)}|${label(text)}>`),
        }).replace(/^(\s*)&gt;/, '$1\u200B&gt;'),
      codeBlock: (text) => `\`\`\`\n${escapeText(text.replace(/`/g, '\u200B`\u200B'))}\n\`\`\``,
      quote: '> ',
      bullet: '•',
      number: (number) => `${number}.`,
    }),
  plain: (blocks) => plainText(blocks, escapeText),
  linkSchemes: ['http:', 'https:', 'mailto:'],
  tables: false,
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** Without the signs that would end the address. */
function target(link: string): string {
  return link.replace(/[|<>]/g, (sign) => encodeURIComponent(sign)).replaceAll('&', '&amp;')
}

/** A bar in the label is no second label. */
function label(text: string): string {
  return escapeText(text.replaceAll('|', '¦'))
}
