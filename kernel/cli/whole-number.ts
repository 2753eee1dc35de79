import { InvalidArgumentError } from 'commander'

/** An option's text as the number it must be. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.')
  return Number(text)
}
