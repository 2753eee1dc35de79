/** How lines begin that are for Keel alone. */
const internalLine = /^\s*(?:\[Delegated to |\[Delegation from |\[Tool (?:call|result): |---orchestration|\[Internal:)/
const fence = /^ {0,3}(`{3,}|~{3,})/
/** Code within a line, or a citation such as `[12]` that is no link and no list's own number. */
const codeOrCitation = /(`+)(?:(?!\1).)+\1|(?<=\S) ?\[\d{1,3}\](?![([:])/g

/** What a person is to read of an answer: code as it is, and no lines for Keel, citations or runs of blank lines elsewhere. */
export function outgoingText(text: string): string {
  const kept: string[] = []
  let open: string | undefined
  for (const line of text.split('\n')) {
    const [, mark] = fence.exec(line) ?? []
    if (open !== undefined) {
      if (mark?.startsWith(open)) open = undefined
      kept.push(line)
    } else if (mark !== undefined) {
      open = mark
      kept.push(line)
    } else if (!internalLine.test(line)) {
      const shown = line.replace(codeOrCitation, (found) => (found.startsWith('`') ? found : ''))
      if (shown.trim() !== '' || (kept.at(-1) ?? '').trim() !== '') kept.push(shown)
    }
  }
  return kept.join('\n').trim()
}
