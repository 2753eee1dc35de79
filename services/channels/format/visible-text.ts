/** Controls other than line breaks and tabs: C0, C1, and the line and paragraph separators. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const controls = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u2028\u2029]/g

/**
 * What has no width and could hide text or turn its direction: every format character but the joiners, and the fillers
 * that count as letters. Joiners and variation selectors stay, for scripts and emoji need them.
 */
const invisible = /(?![\u200C\u200D])\p{Cf}|[\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0]/gu

/** One says how the sign before it looks; a row of them carries a hidden message. */
const repeatedSelectors = /([\u200C\u200D]|\p{Variation_Selector})(?:[\u200C\u200D]|\p{Variation_Selector})+/gu
const emojiJoint = /^\uFE0F\u200D$/

/** The text without what a reader can't see. */
export function visibleText(text: string): string {
  return text
    .toWellFormed()
    .replace(controls, '')
    .replace(invisible, '')
    .replace(repeatedSelectors, (row, first: string) => (emojiJoint.test(row) ? row : first))
}

const unseen = /^[\s\p{Default_Ignorable_Code_Point}]*$/u

/** Whether a reader sees nothing of it. */
export function isBlank(text: string): boolean {
  return unseen.test(text)
}
