import { withoutFences } from './fences.ts'

/** The text that WhatsApp shows, as `readMrkdwn`. */
export function readWhatsApp(source: string): string {
  return withoutFences(source, (line) => readMarks(line.replace(/^> ?/, ''), '```'))
}

/**
 * The text that Slack shows. A mark counts at the edge of a word alone; throws where one has no end or crosses another,
 * and for `<` that starts anything but a link.
 */
export function readMrkdwn(source: string): string {
  return decode(withoutFences(source, (line) => readMarks(line.replace(/^> ?/, ''), '`')))
}

const word = /[\p{L}\p{M}\p{N}]/u
const entities: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' }

function decode(text: string): string {
  return text.replace(/&[^;\s]*;?/g, (entity) => {
    const sign = entities[entity]
    if (!sign) throw new Error(`Entity ${entity}`)
    return sign
  })
}

function readMarks(line: string, code: string): string {
  const open: string[] = []
  let out = ''
  let at = 0

  function fail(why: string): never {
    throw new Error(`${why} at ${at} of ${JSON.stringify(line)}`)
  }

  const opens = (mark: number) => !word.test(line[mark - 1] ?? ' ') && /\S/.test(line[mark + 1] ?? ' ')
  const closes = (mark: number) => /\S/.test(line[mark - 1] ?? ' ') && !word.test(line[mark + 1] ?? ' ')

  while (at < line.length) {
    const sign = line[at] as string
    const link = code === '`' && /^<((?:https?|mailto):[^<>|\s]+)(?:\|([^<>|]+))?>/.exec(line.slice(at))
    if (link) {
      out += link[2] ?? link[1]
      at += link[0].length
    } else if (code === '`' && (sign === '<' || sign === '>')) fail('Start of what is no link')
    else if (line.startsWith(code, at) && line.indexOf(code, at + code.length) !== -1) {
      const end = line.indexOf(code, at + code.length)
      if (line.slice(at + code.length, end).trim() === '') fail('Empty code')
      out += line.slice(at + code.length, end)
      at = end + code.length
    } else if ('*_~'.includes(sign) && open.at(-1) === sign && closes(at)) {
      open.pop()
      at += 1
    } else if ('*_~'.includes(sign) && opens(at) && closesLater(sign)) {
      open.push(sign)
      at += 1
    } else {
      out += sign
      at += 1
    }
  }
  if (open.length > 0) fail(`${open.at(-1)} without an end`)
  return out

  function closesLater(sign: string): boolean {
    for (let later = at + 2; later < line.length; later += 1) if (line[later] === sign && closes(later)) return true
    return false
  }
}
