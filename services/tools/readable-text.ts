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

const textTypes = /^(text\/.+|application\/(.+\+)?(json|xml|yaml|javascript|toml|x-ndjson)|image\/svg\+xml)$/

export interface ReadableText {
  text: string
  /** The words of a page in HTML; its scripts, styles and pictures are left out. */
  reduced: boolean
}

/** A text as it is and a page as its words, or undefined when the body is no text. */
export function readableText(body: Buffer, contentType: string | null): ReadableText | undefined {
  const [type = '', ...parameters] = (contentType ?? '').toLowerCase().split(';')
  const mediaType = type.trim()
  if (mediaType === '' ? body.includes(0) : !isText(mediaType)) return undefined
  const charset = parameters.find((parameter) => parameter.trim().startsWith('charset='))
  const text = decoder(charset?.split('=')[1]).decode(body)
  const reduced = mediaType === 'text/html' || mediaType === 'application/xhtml+xml'
  return { text: reduced ? fromHtml(untilTag(text, maxTags)).trim() : text, reduced }
}

function untilTag(html: string, count: number): string {
  let seen = 0
  for (const { index } of html.matchAll(/<[a-z]/gi)) {
    if (++seen > count) return html.slice(0, index)
  }
  return html
}

function isText(mediaType: string): boolean {
  return textTypes.test(mediaType)
}

/** A decoder that puts a mark in place of what it can not read; UTF-8 unless the answer names another it knows. */
function decoder(charset = 'utf-8'): TextDecoder {
  try {
    return new TextDecoder(charset.trim().replaceAll('"', ''))
  } catch {
    return new TextDecoder()
  }
}
