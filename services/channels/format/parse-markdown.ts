import MarkdownIt, { type Token } from 'markdown-it'
import {
  type Block,
  type Container,
  type Item,
  joinSpans,
  type Span,
  sliceSpans,
  type TableBlock,
  textOf,
} from './document.ts'
import { isBlank, visibleText } from './visible-text.ts'

/** Quotes and lists within each other, counted as the parser counts: a list is two levels. What is deeper is text. */
const deepest = 12
const longestLanguage = 32
const linkSchemes = new Set(['http:', 'https:', 'mailto:', 'tg:'])

const parser = new MarkdownIt({ html: false, linkify: true })
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false })
// What a link leads to is judged here, where its text can be kept.
parser.validateLink = () => true
parser.block.ruler.before('table', 'too_deep', (state, startLine, endLine, silent) => {
  if (state.level < deepest) return false
  if (silent) return true
  const inline = state.push('inline', '', 0)
  inline.content = state.getLines(startLine, endLine, state.blkIndent, false).trim()
  inline.children = []
  state.line = endLine
  return true
})

/** What a model wrote, as CommonMark with the tables, strikes, tasks and bare links of GFM. HTML in it is text. */
export function parseMarkdown(markdown: string): Block[] {
  const blocks: Block[] = []
  const within: Container[] = []
  let begins: Item[] = []
  let level = 0
  let table: { columns: TableBlock['columns'][number][]; rows: Span[][][] } | null = null

  function place() {
    const placed = { within: [...within], begins }
    begins = []
    return placed
  }

  for (const token of parser.parse(markdown, {})) {
    switch (token.type) {
      case 'blockquote_open':
        within.push({ kind: 'quote' })
        break
      case 'bullet_list_open':
      case 'ordered_list_open':
        within.push({ kind: 'list', ordered: token.type === 'ordered_list_open' })
        break
      case 'list_item_open': {
        const item: Item = { kind: 'item', number: token.info === '' ? null : Number(token.info) }
        within.push(item)
        begins = [...begins, item]
        break
      }
      case 'list_item_close':
        if (begins.length > 0) blocks.push({ kind: 'text', level: 0, spans: [], ...place() })
        within.pop()
        break
      case 'blockquote_close':
      case 'bullet_list_close':
      case 'ordered_list_close':
        within.pop()
        break
      case 'heading_open':
        level = Number(token.tag.slice(1))
        break
      case 'heading_close':
        level = 0
        break
      case 'hr':
        blocks.push({ kind: 'rule', ...place() })
        break
      case 'fence':
      case 'code_block': {
        const text = visibleText(token.content).trimEnd()
        if (!isBlank(text)) blocks.push({ kind: 'code', language: languageOf(token.info), text, ...place() })
        break
      }
      case 'table_open':
        table = { columns: [], rows: [] }
        break
      case 'tr_open':
        table?.rows.push([])
        break
      case 'th_open':
        table?.columns.push(alignmentOf(token))
        break
      case 'table_close':
        if (table) blocks.push({ kind: 'table', ...table, ...place() })
        table = null
        break
      case 'inline': {
        const spans = spansOf(token.children ?? [])
        if (table) table.rows.at(-1)?.push(spans)
        else if (level > 0) pushText(spans.map((span) => ({ ...span, text: span.text.replaceAll('\n', ' ') })))
        else pushText(begins.length > 0 && taskBox.test(token.content) ? withBoxSign(spans) : spans)
      }
    }
  }
  return blocks

  function pushText(spans: Span[]) {
    if (!isBlank(textOf(spans))) blocks.push({ kind: 'text', level, spans, ...place() })
  }
}

function languageOf(info: string): string {
  const word = info.trim().split(/\s/, 1)[0] ?? ''
  return word.replace(/[^\w+#.-]/g, '').slice(0, longestLanguage)
}

function alignmentOf(token: Token): TableBlock['columns'][number] {
  const style = String(token.attrGet('style'))
  return style.endsWith('right') ? 'right' : style.endsWith('center') ? 'center' : 'left'
}

function spansOf(tokens: readonly Token[]): Span[] {
  const spans: Span[] = []
  const open = { bold: 0, italic: 0, strike: 0 }
  let link: string | undefined
  let linkHasText = false

  function push(text: string, code = false) {
    const span: Span = {
      text,
      ...(open.bold > 0 && { bold: true }),
      ...(open.italic > 0 && { italic: true }),
      ...(open.strike > 0 && { strike: true }),
      ...(code && { code }),
      ...(link !== undefined && { link }),
    }
    if (text !== '') spans.push(span)
    linkHasText ||= !isBlank(text)
  }

  for (const token of tokens) {
    switch (token.type) {
      case 'strong_open':
        open.bold += 1
        break
      case 'strong_close':
        open.bold -= 1
        break
      case 'em_open':
        open.italic += 1
        break
      case 'em_close':
        open.italic -= 1
        break
      case 's_open':
        open.strike += 1
        break
      case 's_close':
        open.strike -= 1
        break
      case 'link_open':
        link = linkTarget(String(token.attrGet('href')))
        linkHasText = false
        break
      case 'link_close':
        if (link !== undefined && !linkHasText) push(link)
        link = undefined
        break
      case 'image': {
        const outer = link
        link = linkTarget(String(token.attrGet('src'))) ?? outer
        push(isBlank(token.content) ? (link ?? '') : token.content)
        link = outer
        break
      }
      case 'code_inline':
        push(token.content, true)
        break
      case 'softbreak':
      case 'hardbreak':
        push('\n')
        break
      default:
        push(token.content)
    }
  }
  return tidy(spans)
}

/** Undefined for what is not to be followed from a chat. */
function linkTarget(address: string): string | undefined {
  const target = visibleText(address).replace(/[\s<>"]/g, encodeURIComponent)
  const url = URL.parse(target)
  return url && linkSchemes.has(url.protocol) ? target : undefined
}

const citations = / ?\[[1-9]\d{0,2}(?:, ?[1-9]\d{0,2})*\](?!\()/g

/** Without what can't be seen and citations of sources nobody sees; then neighbours of one style are one. */
function tidy(spans: readonly Span[]): Span[] {
  return joinSpans(
    spans.map((span) => {
      const text = visibleText(span.text)
      if (span.code || span.link !== undefined) return { ...span, text }
      return { ...span, text: text.replace(citations, '').replace(/\n\s*\n/g, '\n') }
    }),
  )
}

const taskBox = /^\[[ xX]\] /
const taskBoxLength = '[ ] '.length

function withBoxSign(spans: readonly Span[]): Span[] {
  const sign = spans[0]?.text.startsWith('[ ]') ? '☐ ' : '☑ '
  return [{ text: sign }, ...sliceSpans(spans, taskBoxLength, Number.POSITIVE_INFINITY)]
}
