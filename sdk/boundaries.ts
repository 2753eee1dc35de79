import { createHash } from 'node:crypto'

const kinds = ['untrusted data', 'keel instructions']
const beginnings = kinds.flatMap((kind) => [kind, `end of ${kind}`])
const mark = /\[\s*(?:end\s+of\s+)?(?:untrusted\s+data|keel\s+instructions)\b[^\]\n]{0,100}\]/gi
const maxMarkLength = 200
/** Stands in a mark's place, so that what is around it can not close up to another. */
const removed = '(mark removed)'

/**
 * What others wrote, as the model sees it. The code is one that they can not know: it comes from `place`, which names
 * the turn and the step, and is the same in each process that carries the turn on.
 */
export function untrusted(source: string, text: string, place: string): string {
  const code = createHash('sha256').update(place).digest('hex').slice(0, 8)
  const from = source.replaceAll(/[^\w.-]/g, '_').slice(0, 64)
  const data = withoutMarks(text, removed)
  return `[untrusted data ${code} from ${from}]\n${data}\n[end of untrusted data ${code}]`
}

/** Marks belong to the runtime: in anybody else's text they are forged, or repeated by mistake. */
export function withoutMarks(text: string, instead = ''): string {
  return text.replaceAll(mark, instead)
}

/** How much of the end of a text may still become a mark, in characters. */
export function beginsMark(text: string): number {
  const tail = text.slice(-maxMarkLength)
  for (const { index } of tail.matchAll(/\[/g)) {
    const inner = tail.slice(index + 1)
    if (/[\]\n]/.test(inner.trimStart())) continue
    const begun = inner.trimStart().replaceAll(/\s+/g, ' ').toLowerCase()
    if (beginnings.some((whole) => whole.startsWith(begun) || begun.startsWith(whole))) return tail.length - index
  }
  return 0
}
