const maxShown = 100

/** The text on one line, cut off after `length` characters. */
export function oneLine(text: string, length = maxShown): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length > length ? `${line.slice(0, length)}…` : line
}
