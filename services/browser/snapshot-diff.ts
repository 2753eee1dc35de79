const refShape = /\[ref=([\w-]+)\]/

export interface SnapshotDiff {
  /** Lines that begin with `-` are gone, with `+` are new, and with `~` have changed: the same element, said anew. */
  diff: string
  added: number
  removed: number
  changed: number
}

/** What has changed between two snapshots of a page, in the order of the page. */
export function diffSnapshots(before: string, after: string): SnapshotDiff {
  const old = linesOf(before)
  const now = linesOf(after)
  const left = countLines(old)
  const fresh = now.filter((line) => !takeOne(left, line))
  const gone = old.filter((line) => takeOne(left, line))
  const goneRefs = refsOf(gone)
  const changedRefs = new Set([...refsOf(fresh)].filter((ref) => goneRefs.has(ref)))
  const hasChanged = (line: string) => changedRefs.has(refOf(line) ?? '')
  const removed = gone.filter((line) => !hasChanged(line))
  const changed = fresh.filter(hasChanged).length
  const lines = [
    ...removed.map((line) => `- ${line}`),
    ...fresh.map((line) => `${hasChanged(line) ? '~' : '+'} ${line}`),
  ]
  return { diff: lines.join('\n'), added: fresh.length - changed, removed: removed.length, changed }
}

function refsOf(lines: string[]): Set<string> {
  return new Set(lines.flatMap((line) => refOf(line) ?? []))
}

/** Without the indent: an element that merely moved deeper is the same. */
function linesOf(snapshot: string): string[] {
  return snapshot.split('\n').flatMap((line) => line.trim().replace(/^- /, '') || [])
}

function countLines(lines: string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1)
  return counts
}

function takeOne(counts: Map<string, number>, line: string): boolean {
  const count = counts.get(line) ?? 0
  if (count > 0) counts.set(line, count - 1)
  return count > 0
}

function refOf(line: string): string | undefined {
  return refShape.exec(line)?.[1]
}
