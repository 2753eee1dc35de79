/*
 * Reads MarkdownV2 as strictly as Telegram does: what is reserved and not escaped, what is not closed and what is closed
 * in the wrong order is refused.
 */

export type ReadMarkdown = { shown: string } | { fault: string }

const styles = ['||', '__', '_', '*', '~']
const reserved = new Set('_*[]()~`>#+-=|{}.!')

/** What a person sees of the text, or why Telegram does not take it. */
export function readMarkdownV2(text: string): ReadMarkdown {
  const open: string[] = []
  let shown = ''
  for (let at = 0; at < text.length; ) {
    const character = text.charAt(at)
    const style = styles.find((mark) => text.startsWith(mark, at))
    if (character === '\\') {
      const code = text.charCodeAt(at + 1)
      if (!(code >= 1 && code <= 126)) return { fault: `nothing is escaped at ${at}` }
      shown += text.charAt(at + 1)
      at += 2
    } else if (character === '`') {
      const code = readCode(text, at)
      if (!code) return { fault: `code is not closed at ${at}` }
      shown += code.shown
      at = code.end
    } else if (style) {
      if (open.at(-1) === style) open.pop()
      else if (open.includes(style)) return { fault: `${style} is closed out of order at ${at}` }
      else open.push(style)
      at += style.length
    } else if (character === '[') {
      if (open.includes('[')) return { fault: `a link within a link at ${at}` }
      open.push('[')
      at += 1
    } else if (character === ']' && open.at(-1) === '[') {
      const end = /^\]\((?:[^\\)\n]|\\\p{ASCII})+\)/u.exec(text.slice(at))?.[0].length
      if (end === undefined) return { fault: `a link leads nowhere at ${at}` }
      open.pop()
      at += end
    } else if (reserved.has(character) && !(character === '>' && /(^|\n)$/.test(text.slice(0, at)))) {
      return { fault: `character '${character}' is reserved at ${at}` }
    } else {
      if (character !== '>') shown += character
      at += 1
    }
  }
  return open.length > 0 ? { fault: `${open.at(-1)} is not closed` } : { shown }
}

function readCode(text: string, from: number): { shown: string; end: number } | undefined {
  const fence = text.startsWith('```', from) ? '```' : '`'
  let shown = ''
  for (let at = from + fence.length; at < text.length; ) {
    if (text.startsWith(fence, at)) {
      // The first line of a block names its language.
      const inside = fence === '`' ? shown : shown.replace(/^[\w+#.-]*\n/, '').replace(/\n$/, '')
      return { shown: inside, end: at + fence.length }
    }
    if (text.charAt(at) === '`') return undefined
    const isEscape = text.charAt(at) === '\\'
    if (isEscape && !'`\\'.includes(text.charAt(at + 1))) return undefined
    shown += text.charAt(isEscape ? at + 1 : at)
    at += isEscape ? 2 : 1
  }
  return undefined
}
