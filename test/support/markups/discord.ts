import { withoutFences } from './fences.ts'

/** The text that Discord shows; throws for marks that are not balanced and for signs that had to be escaped. */
export function readDiscord(source: string): string {
  return withoutFences(source, readLine)
}

function readLine(source: string): string {
  const line = source.replace(/^> ?/, '').replace(/^\s*#{1,3} /, '')
  const marker = /^\s*(?:-|\d+\.) /.exec(line)?.[0] ?? ''
  // The text of an item may be an item again.
  if (marker !== '') return marker + readLine(line.slice(marker.length))
  if (/^\s*(?:[#>+-]|\d+[.)])/.test(line)) fail('Start of a block')

  const open: string[] = []
  let out = ''
  let at = 0

  function fail(why: string): never {
    throw new Error(`${why} at ${at} of ${JSON.stringify(line)}`)
  }

  while (at < line.length) {
    const rest = line.slice(at)
    const mark = /^(?:\*\*|~~|_)/.exec(rest)?.[0]
    const escaped = /^\\([^0-9A-Za-z\s])/.exec(rest)
    const code = /^(`+)(?!`)(.*?[^`])\1(?!`)/s.exec(rest)
    const link = /^\[((?:\\.|[^\]\\])+)\]\(<(https?:[^<>\s*_~|()]+)>\)/s.exec(rest)
    const bare = /^<(https?:[^<>\s*_~|()]+)>/.exec(rest)
    if (escaped) {
      out += escaped[1]
      at += 2
    } else if (code) {
      out += code[2]
      at += code[0].length
    } else if (link) {
      out += (link[1] as string).replace(/\\(.)/gs, '$1')
      at += link[0].length
    } else if (bare) {
      out += bare[1]
      at += bare[0].length
    } else if (mark) {
      const ends = open.at(-1) === mark
      const next = line[at + mark.length] ?? ' '
      if (!ends && open.includes(mark)) fail(`${mark} crosses another mark`)
      if (!ends && /\s/.test(next)) fail(`${mark} before white space`)
      if (ends && /\s/.test(line[at - 1] as string)) fail(`${mark} after white space`)
      if (mark === '_' && /\w/.test((ends ? next : line[at - 1]) ?? ' ') && !/_/.test(ends ? next : '')) {
        fail('Underscore within a word')
      }
      if (mark === '**' && ends && next === '*') fail('Three asterisks')
      if (ends) open.pop()
      else open.push(mark)
      at += mark.length
    } else if (/^[*_~`|<>[\]\\]/.test(rest)) fail('Sign that marks something')
    else {
      out += line[at]
      at += 1
    }
  }
  if (open.length > 0) fail(`${open.at(-1)} without an end`)
  return out
}
