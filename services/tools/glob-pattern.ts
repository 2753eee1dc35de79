import { RuntimeError } from '#sdk/errors.ts'

/*
 * Glob patterns without regular expressions: one written by a stranger could keep a regular expression busy for years.
 */

const maxAlternatives = 64

type Fits<Item> = (item: Item) => boolean
type Token<Item> = 'many' | Fits<Item>

/**
 * A test for paths with `/`: `*` and `?` within a name, `**` for any number of folders, `[a-z]`, `[!a]` and `{one,two}`.
 * `invalid` when braces stand for more than 64 alternatives.
 */
export function globPattern(pattern: string): (path: string) => boolean {
  const alternatives = expandBraces(pattern).map((text) =>
    text
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .map(nameToken),
  )
  return (path) => alternatives.some((tokens) => matches(path.split('/'), tokens))
}

function nameToken(part: string): Token<string> {
  if (part === '**') return 'many'
  const tokens = characterTokens(part)
  return (name) => matches([...name], tokens)
}

function characterTokens(part: string): Token<string>[] {
  return [...part.matchAll(/\*+|\[!?[^\]]+\]|./gsu)].map(([token]): Token<string> => {
    if (token.startsWith('*')) return 'many'
    if (token === '?') return () => true
    return token.length > 2 && token.startsWith('[')
      ? characterClass(token.slice(1, -1))
      : (character) => character === token
  })
}

function characterClass(text: string): Fits<string> {
  const negated = text.startsWith('!')
  const ranges = [...(negated ? text.slice(1) : text).matchAll(/(.)-(.)|./gsu)].map(([one, from = one, to = one]) => ({
    from,
    to,
  }))
  return (character) => ranges.some(({ from, to }) => character >= from && character <= to) !== negated
}

/** Goes back to the latest `many` alone, so that the time is at most items times tokens. */
function matches<Item>(items: readonly Item[], tokens: readonly Token<Item>[]): boolean {
  let item = 0
  let token = 0
  let retry: { item: number; token: number } | undefined
  while (item < items.length) {
    const wanted = tokens[token]
    const current = items[item] as Item
    if (wanted === 'many') {
      retry = { item, token: token + 1 }
      token++
    } else if (wanted?.(current)) {
      item++
      token++
    } else if (retry) {
      retry.item++
      item = retry.item
      token = retry.token
    } else return false
  }
  return tokens.slice(token).every((rest) => rest === 'many')
}

function expandBraces(pattern: string): string[] {
  const open: string[] = [pattern]
  const done: string[] = []
  for (let text = open.pop(); text !== undefined; text = open.pop()) {
    const braces = /\{([^{}]*,[^{}]*)\}/.exec(text)
    if (!braces?.[1]) done.push(text)
    else {
      const before = text.slice(0, braces.index)
      const after = text.slice(braces.index + braces[0].length)
      open.push(...braces[1].split(',').map((choice) => before + choice + after))
    }
    if (open.length + done.length > maxAlternatives) {
      throw new RuntimeError('invalid', `The pattern stands for more than ${maxAlternatives} alternatives`)
    }
  }
  return done
}
