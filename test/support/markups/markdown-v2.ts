/** A mark's kind by its sign. */
const styles: Readonly<Record<string, string>> = { '*': 'bold', _: 'italic', '~': 'strikethrough' }
const reserved = new Set('_*[]()~`>#+-=|{}.!')

/**
 * The text that Telegram shows for MarkdownV2, read by the rules that its Bot API documents, and stricter: throws for
 * entities that are empty, unended, crossed, nested where they may not be, and for each sign that had to be escaped.
 */
export function readMarkdownV2(source: string): string {
  const open: { kind: string; from: number }[] = []
  let out = ''
  let at = 0
  let inQuote = false

  function fail(why: string): never {
    throw new Error(`${why} at ${at}: ${JSON.stringify(source.slice(Math.max(0, at - 40), at + 40))}`)
  }

  function start(kind: string) {
    if (open.some((entity) => entity.kind === kind)) fail(`${kind} within ${kind}`)
    open.push({ kind, from: out.length })
  }

  function end(kind: string) {
    const entity = open.pop()
    if (entity?.kind !== kind) fail(`End of ${kind} within ${entity?.kind}`)
    if (out.slice(entity.from).trim() === '') fail(`Empty ${kind}`)
  }

  function code(fence: string) {
    if (open.length > 0) fail('Code within another entity')
    at += fence.length
    const from = out.length
    while (!source.startsWith(fence, at)) {
      if (at >= source.length) fail('Code without an end')
      if (source[at] === '`') fail('Backtick in code')
      if (source[at] === '\\') at += 1
      out += source[at] ?? fail('Backslash at the end')
      at += 1
    }
    if (out.slice(from).trim() === '') fail('Empty code')
    at += fence.length
  }

  while (at < source.length) {
    if (at === 0 || source[at - 1] === '\n') {
      if (open.length > 0) fail('Entity over the end of a line')
      inQuote = source[at] === '>'
      if (inQuote) {
        at += 1
        continue
      }
    }
    const sign = source[at] as string
    const style = styles[sign]
    if (sign === '\\') {
      const escaped = source[at + 1] ?? fail('Backslash at the end')
      if (escaped < '\x01' || escaped > '~') fail('Backslash before a sign that is not ASCII')
      out += escaped
      at += 2
    } else if (source.startsWith('__', at)) fail('Underline')
    else if (style) {
      if (open.at(-1)?.kind === style) end(style)
      else start(style)
      at += 1
    } else if (source.startsWith('```', at)) {
      if (inQuote) fail('Preformatted text in a quote')
      const language =
        /^```([^\s`]*)\n/.exec(source.slice(at, at + 80)) ?? fail('Preformatted text without its own line')
      at += language[0].length - 3
      code('```')
    } else if (sign === '`') code('`')
    else if (sign === '[') {
      start('link')
      at += 1
    } else if (sign === ']') {
      end('link')
      const target = /^\]\(((?:\\[ -~]|[^)\\])+)\)/.exec(source.slice(at)) ?? fail('Link without a target')
      if (!URL.canParse((target[1] as string).replace(/\\(.)/g, '$1'))) fail('Link to no address')
      at += target[0].length
    } else if (reserved.has(sign)) fail(`Reserved ${sign}`)
    else {
      out += sign
      at += 1
    }
  }
  if (open.length > 0) fail(`${open.at(-1)?.kind} without an end`)
  return out
}
