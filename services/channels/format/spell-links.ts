import type { Span } from './document.ts'

/**
 * Links written out after their text, but those that are kept and whose text is no other address. Where the text is the
 * address itself it stays the link it is.
 */
export function spellLinks(spans: readonly Span[], keeps: (link: string) => boolean = () => false): Span[] {
  return spans.flatMap((span, at) => {
    const { link, ...unlinked } = span
    if (link === undefined || link === span.text || (keeps(link) && !deceives(span.text, link))) return [span]
    if (link === `mailto:${span.text}`) return [unlinked]
    if (spans[at + 1]?.link === link) return [unlinked]
    return [unlinked, { text: ' (' }, { text: link, link }, { text: ')' }]
  })
}

/** Whether the text names another host than the one it leads to. */
function deceives(text: string, link: string): boolean {
  const named = /^(?:https?:\/\/)?((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})(?:[/:?#]|$)/iu.exec(text.trim())?.[1]
  return named !== undefined && URL.parse(`https://${named}`)?.host !== URL.parse(link)?.host
}
