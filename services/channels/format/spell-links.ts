import type { Span } from './document.ts'

/** Links written out after their text, but those that are kept. Where the text is the address it stays the link it is. */
export function spellLinks(spans: readonly Span[], keeps: (link: string) => boolean = () => false): Span[] {
  return spans.flatMap((span, at) => {
    const { link, ...unlinked } = span
    if (link === undefined || link === span.text || keeps(link)) return [span]
    if (link === `mailto:${span.text}`) return [unlinked]
    if (spans[at + 1]?.link === link) return [unlinked]
    return [unlinked, { text: ' (' }, { text: link, link }, { text: ')' }]
  })
}
