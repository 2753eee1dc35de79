/** Each tag that may be, with its attributes. */
const tags: Readonly<Record<string, RegExp>> = {
  p: /^$/,
  strong: /^$/,
  em: /^$/,
  del: /^$/,
  code: /^(?: class="language-[\w+#.-]+")?$/,
  pre: /^(?: style="[\w:;#\- ]+")?$/,
  blockquote: /^(?: style="[\w:;#\- ]+")?$/,
  ul: /^$/,
  ol: /^(?: start="\d+")?$/,
  li: /^$/,
  a: /^ href="(?:https?|mailto):[^"<>\s]+"$/,
  h1: /^$/,
  h2: /^$/,
  h3: /^$/,
  h4: /^$/,
  h5: /^$/,
  h6: /^$/,
  table: /^(?: style="[\w:;#\- ]+")?$/,
  thead: /^$/,
  tbody: /^$/,
  tr: /^$/,
  th: /^(?: style="[\w:;#\- ]+")?$/,
  td: /^(?: style="[\w:;#\- ]+")?$/,
}
const empty = new Set(['br', 'hr'])
const parents: Readonly<Record<string, readonly string[]>> = {
  li: ['ul', 'ol'],
  thead: ['table'],
  tbody: ['table'],
  tr: ['thead', 'tbody'],
  th: ['tr'],
  td: ['tr'],
}
const inline = new Set(['strong', 'em', 'del', 'code', 'a', 'br'])
const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
}

/** The text of HTML; throws for tags, attributes and entities that are not known, and for what is not well nested. */
export function readHtml(source: string): string {
  const open: string[] = []
  let out = ''
  for (const [token] of source.matchAll(/<[^>]*>|&[^;\s]*;?|[^<&]+/g)) {
    if (token.startsWith('&')) out += entities[token] ?? fail(`Entity ${token}`)
    else if (token.startsWith('</')) {
      const name = open.pop()
      if (token !== `</${name}>`) fail(`${token} ends <${name}>`)
      if (!inline.has(name as string)) out += '\n'
    } else if (token.startsWith('<')) {
      const [, name = '', attributes = ''] = /^<([a-z][a-z0-9]*)(.*)>$/s.exec(token) ?? []
      if (empty.has(name) && attributes === '') out += '\n'
      else if (!tags[name]?.test(attributes)) fail(`Tag ${token}`)
      else {
        const parent = open.at(-1) ?? ''
        if (parents[name] && !parents[name].includes(parent)) fail(`<${name}> in <${parent}>`)
        if (open.includes('a') && name === 'a') fail('Link in a link')
        if ((open.includes('p') || inline.has(parent)) && !inline.has(name)) fail(`<${name}> in <${parent}>`)
        open.push(name)
      }
    } else if (token.includes('>')) fail(`Bare > in ${token}`)
    else out += token
  }
  if (open.length > 0) fail(`<${open.at(-1)}> without an end`)
  return out
}

function fail(why: string): never {
  throw new Error(why)
}
