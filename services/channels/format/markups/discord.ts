import type { Span } from '../document.ts'
import { layOut } from '../lay-out.ts'
import type { Markup } from '../markup.ts'
import { trimEdges } from '../trim-edges.ts'
import { plainText } from './plain.ts'

/** Keeps apart what would be read as one; Discord shows nothing for it. */
const apart = '\u200B'
const headingLevels = 3

/** Discord's Markdown. */
export const discord: Markup = {
  render: (blocks) =>
    layOut(blocks, {
      line: writeLine,
      codeBlock: (text, language) =>
        `\`\`\`${language}\n${breakMentions(text).replace(/`(?=`)/g, `\`${apart}`)}\n\`\`\``,
      quote: '> ',
      bullet: '-',
      number: (number) => `${number}.`,
      headingPrefix: (level) => (level <= headingLevels ? `${'#'.repeat(level)} ` : null),
    }),
  plain: (blocks) => plainText(blocks, breakMentions),
  linkSchemes: ['http:', 'https:'],
  tables: false,
}

/** Each styled span by itself, kept apart from the one that it touches, for `**a***b*` is anybody's guess. */
function writeLine(spans: readonly Span[]): string {
  let out = ''
  let touched: Span | null = null
  for (const span of spans) {
    const { before, core, after } = trimEdges(span.text)
    out += before
    if (core === '') {
      touched = null
      continue
    }
    if (before !== '') touched = null
    const marked = isMarked(span)
    const joins: boolean = marked
      ? touched !== null || (isUnderscored(span) && wordSign.test(out.at(-1) ?? ''))
      : touched !== null && isUnderscored(touched) && wordSign.test(core[0] as string)
    out += (joins ? apart : '') + (marked ? writeMarked({ ...span, text: core }) : escapeText(core)) + after
    touched = marked && after === '' ? span : null
  }
  // What would start a heading, a quote or a list.
  return out.replace(/^(\s*)(?:([#>+-])|(\d+)([.)]))/, (_, space, sign, digits, dot) =>
    sign ? `${space}\\${sign}` : `${space}${digits}\\${dot}`,
  )
}

const wordSign = /\w/

/** Whether its outermost mark is an underscore, which within a word is none. */
function isUnderscored({ bold, italic, strike, code, link }: Span): boolean {
  return Boolean(italic) && !bold && !strike && !code && link === undefined
}

function isMarked({ bold, italic, strike, code, link }: Span): boolean {
  return Boolean(bold || italic || strike || code || link !== undefined)
}

function writeMarked(span: Span): string {
  const { text, link } = span
  if (link !== undefined && link === text) return /^https?:/i.test(link) ? `<${target(link)}>` : escapeText(text)
  if (link !== undefined) return `[${escapeText(text)}](<${target(link)}>)`
  if (span.code) return inlineCode(text)
  let out = escapeText(text)
  if (span.italic) out = `_${out}_`
  if (span.strike) out = `~~${out}~~`
  return span.bold ? `**${out}**` : out
}

/** In more backticks than the code has in a row. */
function inlineCode(text: string): string {
  const most = Math.max(0, ...(text.match(/`+/g) ?? []).map((row) => row.length))
  const fence = '`'.repeat(most + 1)
  const space = /^`|`$/.test(text) ? ' ' : ''
  return fence + space + breakMentions(text) + space + fence
}

function escapeText(text: string): string {
  return breakMentions(text.replace(/[\\*_~`|<>[\]]/g, '\\$&'))
}

/** The signs that are markup elsewhere in a line, and those that call people, percent-encoded. */
function target(link: string): string {
  return link.replace(
    /[*_~`|<>()\\]|@(?=everyone|here|[!&]?\d)/gi,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Everyone, those who are online, a person, a role, a channel: nobody is called by what a model wrote. */
function breakMentions(text: string): string {
  return text.replace(/@(?=everyone|here|[!&]?\d)/gi, `@${apart}`).replace(/<(?=[@#])/g, `<${apart}`)
}
