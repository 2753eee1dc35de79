import { describe, expect, test } from 'vitest'
import { channelBounds } from '#sdk/channels/message.ts'
import { type PlatformName, platformName, platforms } from '#sdk/channels/platforms.ts'
import { cutNote, draftText, formatParts } from '../../services/channels/format/format-parts.ts'
import { textSize } from '../../services/channels/format/text-size.ts'
import { readers } from '../support/markups/readers.ts'

type Examples = Partial<Record<PlatformName, [markdown: string, text: string][]>>

const table = '| Name | n |\n|---|--:|\n| 日本語 | 1 |\n| **b** | 20 |'
const aligned = 'Name     n\n──────  ──\n日本語   1\nb       20'

const examples: Examples = {
  telegram: [
    ['**a** *b* ~~c~~ `d`', '*a* _b_ ~c~ `d`'],
    ['***a** b*', '*_a_*_ b_'],
    ['1+1=2! (a.b) {c} #d |e| <f> ~g \\*h\\*', '1\\+1\\=2\\! \\(a\\.b\\) \\{c\\} \\#d \\|e\\| <f\\> \\~g \\*h\\*'],
    ['`` a`b\\c ``', '`a\\`b\\\\c`'],
    ['[a](https://x.example/(b)\\\\c)', '[a](https://x.example/(b\\)%5Cc)'],
    ['![pic](https://x.example/p.png)', '[pic](https://x.example/p.png)'],
    ['[`a`](tg://user?id=1) [b](javascript:x) [c](./d)', '[a](tg://user?id=1) b c'],
    ['[https://bank.example/a](https://evil.example)', 'https://bank\\.example/a \\(https://evil\\.example\\)'],
    ['[bank.example](https://bank.example/a)', '[bank\\.example](https://bank.example/a)'],
    ['## a *b*', '*a **_b_*'],
    ['> a **b\n> c**\n>\n> d', '>a *b*\n>*c*\n>\n>d'],
    ['- a\n  - b\n    c\n- d', '• a\n  • b\n    c\n• d'],
    ['3. a\n4. b', '3\\. a\n4\\. b'],
    ['- [x] a\n- [ ] b\n- \\[x] c', '• ☑ a\n• ☐ b\n• \\[x\\] c'],
    ['```ts x\na `b` \\c\n```', '```ts\na \\`b\\` \\\\c\n```'],
    ['> ```\n> a\n> ```', '```\na\n```'],
    [table, `\`\`\`\n${aligned}\n\`\`\``],
    ['a\n\n\n\n---\nb', 'a\n\n———\n\nb'],
    ['a <b>c</b> <!-- d -->', 'a <b\\>c</b\\> <\\!\\-\\- d \\-\\-\\>'],
    ['As they say [1][2, 3], a[0] stays.', 'As they say, a\\[0\\] stays\\.'],
  ],
  whatsapp: [
    ['**a** *b* ~~c~~ `d`', '*a* _b_ ~c~ ```d```'],
    ['# a', '*a*'],
    ['[a](https://x.example) <https://y.example/b>', 'a (https://x.example) https://y.example/b'],
    ['un**bold**able, **bold**.', 'unboldable, *bold*.'],
    ['\\*a\\* snake_case_name 2 * 3 * 4 \\_b', '∗a∗ snake_case_name 2 * 3 * 4 _b'],
    ['> a\n\n- b', '> a\n\n• b'],
    [table, `\`\`\`\n${aligned}\n\`\`\``],
  ],
  slack: [
    ['**a** *b* ~~c~~ `d`', '*a* _b_ ~c~ `d`'],
    ['a & b < c > d', 'a &amp; b &lt; c &gt; d'],
    ['<!channel> <!everyone> <@U123>', '&lt;!channel&gt; &lt;!everyone&gt; &lt;@U123&gt;'],
    ['`<!here>`', '`&lt;!here&gt;`'],
    ['[a|b](https://x.example/?c=1&d=2|e)', '<https://x.example/?c=1&amp;d=2%7Ce|a¦b>'],
    ['https://x.example/a_b', '<https://x.example/a_b>'],
    ['un**bold**able', 'un\u200B*bold*\u200Bable'],
    ['```js\n<a> & b\n```', '```\n&lt;a&gt; &amp; b\n```'],
  ],
  discord: [
    ['**a** *b* ~~c~~ `d`', '**a** _b_ ~~c~~ `d`'],
    ['**a***b*', '**a**\u200B_b_'],
    ['# a\n#### b', '# a\n\n**b**'],
    ['@everyone and @HERE', '@\u200Beveryone and @\u200BHERE'],
    [
      '<@123> <@!123> <@&123> <#123>',
      '\\<\u200B@\u200B123\\> \\<\u200B@\u200B!123\\> \\<\u200B@\u200B&123\\> \\<\u200B#123\\>',
    ],
    ['`@everyone`', '`@\u200Beveryone`'],
    ['&#64;everyone @\u200Beveryone', '@\u200Beveryone @\u200Beveryone'],
    ['[a](https://x.example/@everyone)', '[a](<https://x.example/%40everyone>)'],
    ['\\*a\\* ||b|| \\# c', '\\*a\\* \\|\\|b\\|\\| # c'],
    ['\\# a', '\\# a'],
    ['1\\. a', '1\\. a'],
    ['`` a`b ``', '``a`b``'],
    ['- a\n  1. b', '- a\n  1. b'],
    ['~~~\n```\n~~~', '```\n`\u200B`\u200B`\n```'],
  ],
  matrix: [
    ['**a** *b* ~~c~~ `d`', '<p><strong>a</strong> <em>b</em> <del>c</del> <code>d</code></p>'],
    ['<script>alert("x")</script> & \'', '<p>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;</p>'],
    ['[a](https://x.example/"onload="b)', '<p><a href="https://x.example/%22onload=%22b">a</a></p>'],
    ['> a\n>\n> - b\n>   1. c', '<blockquote><p>a</p><ul><li>b<ol><li>c</li></ol></li></ul></blockquote>'],
    ['2. a\n3. b', '<ol start="2"><li>a</li><li>b</li></ol>'],
    ['```c++\n<a>\n```', '<pre><code class="language-c++">&lt;a&gt;\n</code></pre>'],
    [
      '|a|b|\n|-|-|\n|*c*|d|',
      '<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td><em>c</em></td><td>d</td></tr></tbody></table>',
    ],
    ['a\nb', '<p>a<br>b</p>'],
    ['@room', '<p>@\u200Broom</p>'],
  ],
  email: [
    ['> a', '<blockquote style="margin:0 0 0 8px;padding-left:8px;border-left:3px solid #ccc"><p>a</p></blockquote>'],
  ],
  signal: [
    ['# a\n\n**b** *c* ~~d~~ `e` [f](https://x.example)', 'a\n\nb c d e f (https://x.example)'],
    ['<a@b.example>', 'a@b.example'],
    [table, aligned],
  ],
}

for (const [platform, rows] of Object.entries(examples) as [PlatformName, [string, string][]][]) {
  test.each(rows)(`${platform} writes %j`, (markdown, text) => {
    expect(formatParts(markdown, platform).map((part) => part.text)).toEqual([text])
  })
}

describe('every platform', () => {
  test.each(platformName.options)('%s: what hides text or turns its direction is gone', (platform) => {
    const hostile = 'a\u202Eb\u200Bc\u2066d\u{E0061}e\u0007f\u2028g `h\u202Ei` &#x202E;j'
    for (const { text, plain } of formatParts(hostile, platform)) {
      expect(readers[platform](text).trim().replace(/`/g, '')).toBe('abcdefg hi j')
      expect(plain).toBe('abcdefg hi j')
    }
  })

  test.each(platformName.options)('%s: nothing to see is no message', (platform) => {
    expect(formatParts('', platform)).toEqual([])
    expect(formatParts(' \n\n\u200B\u202E **\u200D** \n```\n\n```\n', platform)).toEqual([])
  })

  test.each(platformName.options)('%s: scripts that need joiners, and emoji, stay as they are', (platform) => {
    const text = 'नमस्ते می‌خواهم 👨‍👩‍👧 🏳️‍🌈 ☕️'
    expect(formatParts(text, platform)[0]?.plain).toBe(text)
  })

  test.each(platformName.options)('%s: of an answer that is too long the last part says so', (platform) => {
    const parts = formatParts('many words '.repeat(1_000_000), platform)
    const last = parts.at(-1)
    expect(parts.length).toBeLessThanOrEqual(channelBounds.parts)
    if (parts.length === channelBounds.parts) {
      expect(last?.plain.endsWith(`${cutNote}\n\n(${parts.length}/${parts.length})`)).toBe(true)
      expect(readers[platform](last?.text ?? '')).toContain(cutNote)
    }
  })
})

describe('parts', () => {
  const limit = platforms.telegram.text.most

  test('an answer that fits is one part', () => {
    expect(formatParts('x'.repeat(limit), 'telegram')).toHaveLength(1)
    expect(formatParts(`${'x'.repeat(limit)}y`, 'telegram')).toHaveLength(2)
  })

  test('are counted in the unit of the platform', () => {
    expect(formatParts('😀'.repeat(2_000), 'signal')).toHaveLength(1)
    expect(formatParts('😀'.repeat(2_001), 'signal')).toHaveLength(2)
    expect(formatParts('😀'.repeat(2_048), 'telegram')).toHaveLength(1)
    expect(formatParts('😀'.repeat(2_049), 'telegram')).toHaveLength(2)
  })

  test('end where a block ends, if each block fits in one', () => {
    const paragraphs = ['a', 'b', 'c'].map((letter) => `${letter} `.repeat(1_200).trim())
    expect(formatParts(paragraphs.join('\n\n'), 'telegram').map(({ text }) => text)).toEqual(paragraphs)
  })

  test('end where a word ends, and open again what they stand in', () => {
    const parts = formatParts(`> **${'word '.repeat(1_200)}end**`, 'telegram')
    expect(parts).toHaveLength(2)
    for (const { text } of parts) expect(text).toMatch(/^>\*word (?:word |word)*(?:end)?\*$/)
  })

  test('of code are code of that language, cut at the end of a line', () => {
    const line = 'const answer = 42'
    const parts = formatParts(`\`\`\`js\n${`${line}\n`.repeat(400)}\`\`\``, 'discord')
    const lines = parts.flatMap(({ text }) => {
      const code = /^```js\n([^`]*)\n```(?:\n\n\(\d+\/\d+\))?$/.exec(text)
      return code?.[1]?.split('\n')
    })
    expect(parts.length).toBeGreaterThan(1)
    expect(lines).toEqual(Array.from({ length: 400 }, () => line))
  })

  test('of a list item go on without its marker', () => {
    const parts = formatParts(`7. ${'word '.repeat(1_000)}`, 'signal')
    expect(parts.length).toBeGreaterThan(1)
    expect(parts.map(({ text }) => /^(7\.| {3}) ?word/.exec(text)?.[1])).toEqual(['7.', '   ', '   '])
  })

  test.each(['👨‍👩‍👧‍👦', '🇩🇪', 'e\u0301\u0302'])('never end within %s', (cluster) => {
    const parts = formatParts(cluster.repeat(3_000), 'telegram')
    expect(parts.length).toBeGreaterThan(1)
    for (const { plain } of parts) expect(plain.replace(/\n\n\(\d+\/\d+\)$/, '').replaceAll(cluster, '')).toBe('')
  })

  test('are numbered when they are more than three', () => {
    const ofLength = (length: number) => formatParts('word '.repeat(length), 'signal').map(({ text }) => text)
    expect(ofLength(1_100)).toHaveLength(3)
    for (const text of ofLength(1_100)) expect(text).not.toMatch(/\(\d\/\d\)$/)
    const many = ofLength(1_900)
    expect(many).toHaveLength(5)
    expect(many.map((text) => text.slice(-5))).toEqual(['(1/5)', '(2/5)', '(3/5)', '(4/5)', '(5/5)'])
  })

  test('a link that is too long to be one is written out', () => {
    const url = `https://x.example/${'y'.repeat(3_000)}`
    const parts = formatParts(`[a](${url})`, 'telegram')
    expect(parts.map(({ plain }) => plain).join('')).toBe(`a (${url})`)
  })
})

describe('a draft', () => {
  test('closes what is still open', () => {
    expect(draftText('So:\n```js\nlet a', 'telegram')).toEqual({
      text: 'So:\n\n```js\nlet a\n```',
      plain: 'So:\n\nlet a',
    })
  })

  test.each(platformName.options)('%s: of a long answer is the beginning that fits', (platform) => {
    const { text, plain } = draftText('**many** words '.repeat(100_000), platform)
    const { most, unit } = platforms[platform].text
    expect(textSize(text, unit)).toBeLessThanOrEqual(most)
    expect(readers[platform](text).trim()).toMatch(/^many words many .*…$/)
    expect(plain).toMatch(/^many words many .*…$/)
  })

  test('of nothing is nothing', () => {
    expect(draftText('', 'discord')).toEqual({ text: '', plain: '' })
  })
})

/** Of so many characters each: what takes a parser, or a formatter, that looks back too often more than a lifetime. */
const hostile = (n: number): Record<string, string> => {
  const root = Math.floor(Math.sqrt(n))
  const ladder = (rung: (height: number) => string) =>
    Array.from({ length: root }, (_, height) => rung(height)).join('\n')
  return {
    asterisks: '*'.repeat(n),
    'asterisks within words': 'a*'.repeat(n / 2),
    'openings that never close': '*a _b **c '.repeat(n / 10),
    'styles that touch': '**a**_b_'.repeat(n / 8),
    brackets: '['.repeat(n),
    'closing brackets': ']'.repeat(n),
    'images within images': '!['.repeat(n / 2),
    backticks: Array.from({ length: root }, (_, length) => `${'`'.repeat(length)}a`).join(''),
    'quotes within quotes': `${'>'.repeat(n - 1)}a`,
    'lists within lists': `${'- '.repeat(n / 2 - 1)}a`,
    'a ladder of quotes': ladder((height) => `${'>'.repeat(height)}a`),
    'a ladder of lists': ladder((height) => `${' '.repeat(height)}- a`),
    'a long table': `|a|b|\n|-|-|\n${'|a|b|\n'.repeat(n / 6 - 3)}`,
    'a wide table': ['|a', '|-', '|a'].map((cell) => cell.repeat(n / 6 - 2)).join('|\n'),
    'a huge cell': `|a|b|\n|-|-|\n|${'x'.repeat(n - 20)}|c|`,
    'one word': 'a'.repeat(n),
    'one letter under a heap of marks': `e${'\u0301'.repeat(n - 1)}`,
    'empty lines in code': `\`\`\`\n${'\n'.repeat(n - 10)}x`,
    'white space': `a${'\u00A0'.repeat(n - 2)}b`,
    paragraphs: 'a\n\n'.repeat(n / 3),
    lines: 'a\n'.repeat(n / 2),
    items: '- a\n'.repeat(n / 4),
    headings: 'a\n-\n'.repeat(n / 4),
    addresses: 'http://a.'.repeat(n / 9),
  }
}

const whole = hostile(channelBounds.textBytes)
const small = hostile(channelBounds.textBytes / 16)

test.each(Object.keys(whole))(
  '%s without end are formatted all the same',
  (name) => {
    const texts = { telegram: whole[name], slack: small[name], matrix: small[name] }
    for (const platform of ['telegram', 'slack', 'matrix'] as const) {
      const { most, unit } = platforms[platform].text
      const parts = formatParts(texts[platform] ?? '', platform)
      expect(parts.length).toBeGreaterThan(0)
      for (const { text } of parts) {
        expect(textSize(text, unit)).toBeLessThanOrEqual(most)
        readers[platform](text)
      }
    }
  },
  60_000,
)
