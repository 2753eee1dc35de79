import stringWidth from 'string-width'

const separator = ' │ '

/** The text in lines that take at most `width` columns of a terminal, broken between words where that can be. */
export function wrapped(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, width))
}

function wrapLine(line: string, width: number): string[] {
  const lines: string[] = []
  let current = ''
  for (const word of line.split(/(?<=\s)/)) {
    if (stringWidth((current + word).trimEnd()) <= width) current += word
    else {
      if (current !== '') lines.push(current.trimEnd())
      const pieces = broken(word, width)
      lines.push(...pieces.slice(0, -1))
      current = pieces.at(-1) ?? ''
    }
  }
  return [...lines, current.trimEnd()]
}

/** A word that no line has room for, in pieces. */
function broken(word: string, width: number): string[] {
  const pieces = ['']
  for (const { segment } of new Intl.Segmenter().segment(word)) {
    const longer = (pieces.at(-1) ?? '') + segment
    if (stringWidth(longer.trimEnd()) <= width) pieces[pieces.length - 1] = longer
    else pieces.push(segment)
  }
  return pieces
}

/** Two texts beside each other, in lines of at most `width` columns. */
export function sideBySide(left: string, right: string, width: number): string[] {
  const each = Math.floor((width - separator.length) / 2)
  const [lefts, rights] = [wrapped(left, each), wrapped(right, each)]
  return Array.from({ length: Math.max(lefts.length, rights.length) }, (_, at) => {
    const line = lefts[at] ?? ''
    const padding = ' '.repeat(Math.max(0, each - stringWidth(line)))
    return `${line}${padding}${separator}${rights[at] ?? ''}`.trimEnd()
  })
}
