import type { PlatformName } from '#sdk/channels/platforms.ts'

/** A document as a model writes it, and what a person sees of it, less white space. */
export interface MarkdownDocument {
  markdown: string
  visible(platform: PlatformName): string
}

type Random = () => number

/** A piece of a document that is seen: text, or what platforms show in different ways. */
type Seen = string | { label: string; url: string } | { item: number | null } | 'rule'

const words = [
  ...'the quick brown fox jumps over a lazy dog in snake_case and camelCase with 100% of its v1.2.3'.split(' '),
  ...['日本語', '你好世界', '한국어', 'שלום', 'مرحبا', 'नमस्ते', 'e\u0301a\u0308', '👨‍👩‍👧‍👦', '🇩🇪🇫🇷', '🏳️‍🌈', '☕️', '𝒳𝓎'],
  ...['*', '**', '_', '__', '~', '~~', '`', '```', '|', '||', '[x]', '(y)', '{z}', '<b>', '</b>', '&', '&amp;', '\\'],
  ...['#', '>', '-', '+', '=', '.', '!', '1.', '2)', '*a*', '_b_', '~c~', '`d`', '**e**', '__f__', '5*3', 'a_b', '-#'],
  ...[
    '@everyone',
    '@here',
    '<@123456789012345678>',
    '<@!1>',
    '<@&2>',
    '<#3>',
    '<!channel>',
    '<!here|x>',
    '@room',
    '@\u200Beveryone',
  ],
  ...['te\u202Ext', 'zero\u200Bwidth', '\u2066x\u2069', 'a\uFE0F\uFE0F\uFE0Fb', '\u{E0041}tag'],
]
const unseen = /[\u200B\u202A-\u202E\u2066-\u2069\u{E0000}-\u{E007F}]/gu
const urls = ['https://a.example/b_c_d?e=1&f=2', 'http://x.example/(y)/*z*', 'https://q.example/@everyone/~r']

export function markdownDocument(random: Random): MarkdownDocument {
  const seen: Seen[] = []
  const markdown = blocks(random, seen, 0, 1 + below(random, 7)).join('\n\n')
  return { markdown, visible: (platform) => seen.map((piece) => shown(piece, platform)).join('') }
}

/** Fragments in any order: what is Markdown in it, and how, is anybody's guess. */
export function markdownSoup(random: Random): string {
  return Array.from({ length: 5 + below(random, 160) }, () => pick(random, fragments)).join('')
}

const fragments = [
  ...words,
  ...'* ** _ __ ~ ~~ ` `` ``` [ ] ( ) > # - + | \\ < > ! & \n \n\n \t'.split(' '),
  ...[
    ' ',
    ' ',
    ' ',
    ' ',
    '\n',
    '\n',
    '\n\n',
    '  \n',
    '\\\n',
    '\n\n- ',
    '\n1. ',
    '\n   ',
    '\n    ',
    '\n> ',
    '\n> > ',
    '\n\n# ',
    '\n---\n',
  ],
  ...[
    '\n```js\n',
    '\n```\n',
    '\n~~~\n',
    '[a b](https://a.example/b)',
    '![c](https://c.example)',
    '<https://d.example>',
  ],
  ...[
    '[e](javascript:alert(1))',
    'https://f.example/g_h_ ',
    '[12]',
    '[1, 2]',
    '&lt;',
    '&#64;everyone',
    '&#x202E;',
    '&#10;',
    '\n===\n',
  ],
  ...['**bold**', '_italic_', '~~strike~~', '`code`', '***both***', '**a***b*', '_c_**d**', '`` a`b ``', '```f```'],
  ...[
    '\n\n| a | b |\n|---|--:|\n| `c` | *d* |\n| 日本 | @here |\n\n',
    '\n- [ ] todo\n- [x] done\n',
    '[i]: https://i.example\n',
  ],
]

function shown(piece: Seen, platform: PlatformName): string {
  const html = platform === 'matrix' || platform === 'email'
  if (typeof piece === 'object' && 'label' in piece) {
    const spelled = platform === 'whatsapp' || platform === 'signal'
    return spelled && piece.label !== piece.url ? `${piece.label}(${piece.url})` : piece.label
  }
  if (typeof piece === 'object') {
    if (html) return ''
    return piece.item === null ? (platform === 'discord' ? '-' : '•') : `${piece.item}.`
  }
  if (piece === 'rule') return html ? '' : '———'
  return piece
    .replace(unseen, '')
    .replace(/\uFE0F+/g, '\uFE0F')
    .replace(/\s/g, '')
}

function blocks(random: Random, seen: Seen[], depth: number, count: number): string[] {
  return Array.from({ length: count }, () => block(random, seen, depth))
}

function block(random: Random, seen: Seen[], depth: number): string {
  const kind = below(random, depth < 3 ? 9 : 5)
  switch (kind) {
    case 0:
      return `${'#'.repeat(1 + below(random, 6))} ${inline(random, seen, 1 + below(random, 8))}`
    case 1:
      return fence(random, seen)
    case 2:
      if (depth === 0) return table(random, seen)
      return inline(random, seen, 5)
    case 3:
      seen.push('rule')
      return '***'
    case 5:
      return prefixed(blocks(random, seen, depth + 1, 1 + below(random, 3)).join('\n\n'), '> ', '> ')
    case 6:
    case 7: {
      const ordered = kind === 7
      const first = 1 + below(random, 12)
      return Array.from({ length: 1 + below(random, 5) }, (_, at) => {
        seen.push({ item: ordered ? first + at : null })
        const marker = ordered ? `${first + at}. ` : '- '
        const paragraph = inline(random, seen, 1 + below(random, 12))
        const further = blocks(random, seen, depth + 1, below(random, 3) === 0 ? 1 : 0)
        return prefixed([paragraph, ...further].join('\n\n'), marker, ' '.repeat(marker.length))
      }).join('\n')
    }
    default:
      return inline(random, seen, 1 + below(random, 60))
  }
}

function fence(random: Random, seen: Seen[]): string {
  const lines = Array.from({ length: 1 + below(random, 30) }, () =>
    Array.from({ length: 1 + below(random, 8) }, () => pick(random, words)).join(' '),
  )
  seen.push(...lines)
  return `~~~~${pick(random, ['', 'ts', 'c++', 'sh -x'])}\n${lines.join('\n')}\n~~~~`
}

function table(random: Random, seen: Seen[]): string {
  const columns = 1 + below(random, 4)
  const row = () =>
    `| ${Array.from({ length: columns }, () => inline(random, seen, 1 + below(random, 3), false)).join(' | ')} |`
  const head = row()
  const under = `|${Array.from({ length: columns }, () => pick(random, ['---', ':--', '--:', ':-:'])).join('|')}|`
  return [head, under, ...Array.from({ length: below(random, 12) }, row)].join('\n')
}

function inline(random: Random, seen: Seen[], count: number, links = true): string {
  return Array.from({ length: count }, () => run(random, seen, links)).join(
    links && below(random, 6) === 0 ? '\n' : ' ',
  )
}

function run(random: Random, seen: Seen[], links: boolean): string {
  const kind = below(random, 14)
  if (kind === 0 && links) {
    const url = pick(random, urls)
    const label = below(random, 3) === 0 ? url : 'label 日本 text'
    seen.push(label === url ? { label, url } : { label: 'label日本text', url })
    return label === url ? `<${url}>` : `[${label}](<${url}>)`
  }
  if (kind === 1) {
    seen.push('let x = *y;')
    return '`let x = *y;`'
  }
  const style = kind < 7 ? pick(random, ['**', '_', '~~', '***', '**_', '~~**']) : ''
  const text = Array.from({ length: 1 + below(random, 4) }, () => pick(random, words))
  seen.push(...text)
  const escaped = text.map(escapeMarkdown).join(' ')
  if (style === '') return escaped
  seen.push('z')
  seen.splice(-1 - text.length, 0, 'a')
  return `${style}a ${escaped} z${[...style].reverse().join('')}`
}

function escapeMarkdown(word: string): string {
  return word.replace(/[!-/:-@[-`{-~]/g, '\\$&')
}

function prefixed(text: string, first: string, further: string): string {
  return text
    .split('\n')
    .map((line, at) => (at === 0 ? first : further) + line)
    .join('\n')
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)] as T
}

function below(random: Random, bound: number): number {
  return Math.floor(random() * bound)
}
