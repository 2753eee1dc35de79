import type { Block, Container, Span, TableBlock } from '../document.ts'
import type { Markup } from '../markup.ts'
import { plainText } from './plain.ts'

/** For mail programs, which have no styles of their own for these. */
const mailStyles: Readonly<Record<string, string>> = {
  blockquote: 'margin:0 0 0 8px;padding-left:8px;border-left:3px solid #ccc',
  pre: 'padding:8px;background:#f4f4f4;white-space:pre-wrap',
  table: 'border-collapse:collapse',
  th: 'padding:4px 8px;border:1px solid #ccc',
  td: 'padding:4px 8px;border:1px solid #ccc',
}

/** HTML of the tags that Matrix allows; all text is escaped, so no other tag comes from what was written. */
export function html({ styled }: { styled: boolean }): Markup {
  const write = new Html(styled ? mailStyles : {})
  return {
    render: (blocks) => write.blocks(blocks),
    plain: (blocks) => plainText(blocks, breakRoomMention),
    linkSchemes: ['http:', 'https:', 'mailto:'],
    tables: true,
  }
}

class Html {
  readonly #styles: Readonly<Record<string, string>>

  constructor(styles: Readonly<Record<string, string>>) {
    this.#styles = styles
  }

  blocks(blocks: readonly Block[]): string {
    let out = ''
    let open: readonly Container[] = []
    for (const block of blocks) {
      const shared = sharedDepth(open, block.within)
      out += this.#close(open.slice(shared)) + this.#open(block.within.slice(shared)) + this.#block(block)
      open = block.within
    }
    return out + this.#close(open)
  }

  #open(containers: readonly Container[]): string {
    return containers
      .map((container, at) => {
        if (container.kind === 'quote') return this.#tag('blockquote')
        if (container.kind === 'item') return '<li>'
        const next = containers[at + 1]
        const number = next?.kind === 'item' ? next.number : null
        return container.ordered ? `<ol${number === null || number === 1 ? '' : ` start="${number}"`}>` : '<ul>'
      })
      .join('')
  }

  #close(containers: readonly Container[]): string {
    return containers
      .map((container) => {
        if (container.kind === 'quote') return '</blockquote>'
        if (container.kind === 'item') return '</li>'
        return container.ordered ? '</ol>' : '</ul>'
      })
      .reverse()
      .join('')
  }

  #block(block: Block): string {
    switch (block.kind) {
      case 'rule':
        return '<hr>'
      case 'code': {
        const language = block.language === '' ? '' : ` class="language-${escapeHtml(block.language)}"`
        return `${this.#tag('pre')}<code${language}>${escapeHtml(breakRoomMention(block.text))}\n</code></pre>`
      }
      case 'table':
        return this.#table(block)
      case 'text': {
        const text = block.spans.map(writeSpan).join('')
        if (block.level > 0) return `<h${block.level}>${text}</h${block.level}>`
        return block.begins.length > 0 && block.within.at(-1) === block.begins.at(-1) ? text : `<p>${text}</p>`
      }
    }
  }

  #table({ rows }: TableBlock): string {
    const [head = [], ...body] = rows
    const row = (cells: readonly (readonly Span[])[], tag: 'th' | 'td') =>
      `<tr>${cells.map((cell) => `${this.#tag(tag)}${cell.map(writeSpan).join('')}</${tag}>`).join('')}</tr>`
    const rest = body.length > 0 ? `<tbody>${body.map((cells) => row(cells, 'td')).join('')}</tbody>` : ''
    return `${this.#tag('table')}<thead>${row(head, 'th')}</thead>${rest}</table>`
  }

  #tag(name: string): string {
    const style = this.#styles[name]
    return style === undefined ? `<${name}>` : `<${name} style="${style}">`
  }
}

function sharedDepth(a: readonly Container[], b: readonly Container[]): number {
  const differs = a.findIndex((container, at) => b[at] !== container)
  return differs === -1 ? a.length : differs
}

function writeSpan({ text, bold, italic, strike, code, link }: Span): string {
  let out = escapeHtml(breakRoomMention(text)).replaceAll('\n', '<br>')
  if (code) out = `<code>${out}</code>`
  if (italic) out = `<em>${out}</em>`
  if (strike) out = `<del>${out}</del>`
  if (bold) out = `<strong>${out}</strong>`
  return link === undefined ? out : `<a href="${escapeHtml(link)}">${out}</a>`
}

/** Matrix calls everyone in a room for this word, wherever it stands. */
function breakRoomMention(text: string): string {
  return text.replace(/@(?=room)/gi, '@\u200B')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign)
}
