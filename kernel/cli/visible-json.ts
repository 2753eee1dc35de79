/** Characters that a terminal acts on or does not show; the line ends are JSON's own. */
const unseen = /[^\P{Cc}\n]|\p{Cf}|[\u2028\u2029]/gu

/** JSON in which nothing is hidden: what a terminal would act on, or not show, stands there as an escape. */
export function visibleJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replaceAll(unseen, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
