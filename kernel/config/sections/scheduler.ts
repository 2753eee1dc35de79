import { z } from 'zod'
import { integer, section } from '../fields.ts'

const zone = z
  .string('expected a time zone such as "Europe/Vienna"')
  .refine((name) => name === '' || isZone(name), 'expected a time zone such as "Europe/Vienna"')

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

export const scheduler = section({
  /** In which reminders are understood; that of the machine where it is empty. */
  timezone: zone.default(''),
  /** A run whose process does not renew its lease for so long counts as lost. */
  lease_seconds: integer(60, 2, 3_600),
  /** What was missed longer ago is not caught up. */
  catch_up_window_hours: integer(24, 1, 8_760),
})
