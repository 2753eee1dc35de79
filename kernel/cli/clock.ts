import { given } from './given.ts'

/** As the clocks of the zone show it; those of this machine unless told. */
export function clock(time: string, timeZone?: string): string {
  // Swedish writes dates as ISO 8601 does.
  const format = new Intl.DateTimeFormat('sv', { dateStyle: 'short', timeStyle: 'medium', ...given({ timeZone }) })
  return format.format(new Date(time))
}
