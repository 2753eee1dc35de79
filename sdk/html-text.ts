import { compile } from 'html-to-text'

const maxNesting = 200
const maxChildNodes = 20_000
/** The parser's time grows with the square of the nesting, so a page is read up to so many tags. */
const maxTags = 20_000

const fromHtml = compile({
  wordwrap: false,
  limits: { maxDepth: maxNesting, maxChildNodes, ellipsis: '…' },
  selectors: [
    { selector: 'a', options: { ignoreHref: false, hideLinkHrefIfSameAsText: true, linkBrackets: ['(', ')'] } },
    // Cells would run together otherwise.
    { selector: 'td', format: 'block', options: { leadingLineBreaks: 1, trailingLineBreaks: 1 } },
    { selector: 'th', format: 'block', options: { leadingLineBreaks: 1, trailingLineBreaks: 1 } },
    { selector: 'img', format: 'skip' },
    { selector: 'svg', format: 'skip' },
    { selector: 'nav', format: 'skip' },
    { selector: 'noscript', format: 'skip' },
    { selector: 'template', format: 'skip' },
  ],
})

/** The words of a page, a line each; its scripts, styles and pictures are left out. */
export function htmlToText(html: string): string {
  return fromHtml(untilTag(html, maxTags)).trim()
}

function untilTag(html: string, count: number): string {
  let seen = 0
  for (const { index } of html.matchAll(/<[a-z]/gi)) {
    if (++seen > count) return html.slice(0, index)
  }
  return html
}
