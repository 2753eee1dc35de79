const begins = '[keel instructions]'
const ends = '[end of keel instructions]'

/** The agent's own instructions, with marks that say where they end. */
export function instructions(text: string): string {
  return `${begins}\n${text}\n${ends}`
}

/** The instructions without their marks. */
export function instructionsWithin(marked: string): string {
  const isMarked = marked.startsWith(`${begins}\n`) && marked.endsWith(`\n${ends}`)
  return isMarked ? marked.slice(begins.length + 1, -(ends.length + 1)) : marked
}
