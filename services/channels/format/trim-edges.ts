/** The text between the white space at its edges, and that white space. */
export function trimEdges(text: string): { before: string; core: string; after: string } {
  const core = text.trim()
  const before = core === '' ? text : text.slice(0, text.length - text.trimStart().length)
  return { before, core, after: text.slice(before.length + core.length) }
}
