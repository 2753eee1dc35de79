import { stripVTControlCharacters } from 'node:util'

/** Control characters but for tab and line end, and marks that turn the direction of reading. */
const unfit = /[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/gu

/** Text from elsewhere, fit for a terminal: without sequences that move its cursor, colour it or rename its window. */
export function terminalText(text: string): string {
  return stripVTControlCharacters(text).replace(unfit, '')
}

/** As `terminalText`, on one line. */
export function terminalLine(text: string): string {
  return terminalText(text.replace(/\r\n|[\r\n\u2028\u2029]/g, '⏎'))
}
