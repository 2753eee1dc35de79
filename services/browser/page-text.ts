/** Control characters but for tab and line end, and marks that turn the direction of reading. */
const unfit = /[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/gu
const maxLine = 1_024

/** What a page says, without what would move a terminal or hide a part of it; at most so many characters. */
export function pageText(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replace(unfit, '').toWellFormed()
}

/** As `pageText`, on one line: titles, addresses, dialogs. */
export function pageLine(text: string, maxLength = maxLine): string {
  return pageText(text.slice(0, maxLength).replace(/[\r\n\t\u2028\u2029]+/g, ' '), maxLength)
}
