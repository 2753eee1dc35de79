import { RuntimeError } from '../errors.ts'

type Refuse = (problem: string) => never

interface Field {
  name: string
  min: number
  max: number
  /** The first stands for `min`. */
  names?: string[]
  longestStep: number
  /** Takes from a part what this field knows besides values, ranges and steps. */
  withoutModifier?: (part: string, text: string, refuse: Refuse) => string
}

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']
const second: Field = { name: 'second', min: 0, max: 59, longestStep: 60 }
const fields: Field[] = [
  { name: 'minute', min: 0, max: 59, longestStep: 60 },
  { name: 'hour', min: 0, max: 23, longestStep: 24 },
  { name: 'day of month', min: 1, max: 31, longestStep: 31, withoutModifier: withoutDayModifier },
  { name: 'month', min: 1, max: 12, names: months, longestStep: 12 },
  { name: 'day of week', min: 0, max: 7, names: weekdays, longestStep: 7, withoutModifier: withoutWeekdayModifier },
]

/** Judges a cron expression part by part, so that the error can name the part that is wrong. */
export function checkCronFields(expr: string, where: string): void {
  const texts = expr.split(' ')
  if (texts.length !== 5 && texts.length !== 6) {
    const has = `${texts.length} field${texts.length === 1 ? '' : 's'}`
    throw new RuntimeError('invalid', `${where}: has ${has}; a cron expression has 5, or 6 with seconds first`)
  }
  const present = texts.length === 6 ? [second, ...fields] : fields
  for (const [index, field] of present.entries()) checkField(texts[index] ?? '', field, where)
}

function checkField(text: string, field: Field, where: string): void {
  const refuse: Refuse = (problem) => {
    throw new RuntimeError('invalid', `${where}: ${field.name} ${problem}`)
  }
  // `+` asks that the day of the month match as well.
  const listed = field.names === weekdays ? text.replace(/^\+/, '') : text
  for (const part of listed.split(',')) {
    if (part === '') refuse(`'${text}' has an empty part`)
    checkPart(part, field.withoutModifier?.(part, text, refuse) ?? part, field, refuse)
  }
}

function checkPart(part: string, plain: string, field: Field, refuse: Refuse): void {
  const [range = '', step, ...steps] = plain.split('/')
  if (steps.length > 0) refuse(`'${part}' has more than one step`)
  const [from = '', to, ...ends] = range.split('-')
  if (ends.length > 0) refuse(`'${part}' is no range`)
  if (step !== undefined) checkStep(part, { range, step }, field, refuse)
  if (range === '*' || range === '?') return
  const first = valueIn(from, field, refuse)
  if (to === undefined) return
  // A week may begin or end with Sunday.
  const last = to.toUpperCase() === 'SUN' ? field.max : valueIn(to, field, refuse)
  if (first > last) refuse(`'${part}' ends before it begins`)
}

function checkStep(part: string, { range, step }: { range: string; step: string }, field: Field, refuse: Refuse): void {
  if (!/^\d+$/.test(step) || Number(step) < 1 || Number(step) > field.longestStep) {
    refuse(`'${part}' must step by 1 to ${field.longestStep}`)
  }
  if (/[-*?]/.test(range)) return
  refuse(`'${part}' steps through no range; write ${range === '' ? '*' : `${range}-${field.max}`}/${step}`)
}

function valueIn(text: string, field: Field, refuse: Refuse): number {
  const named = field.names?.indexOf(text.toUpperCase()) ?? -1
  if (named >= 0) return named + field.min
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= field.min && value <= field.max) return value
  const names = field.names ? `, or ${field.names[0]} to ${field.names.at(-1)}` : ''
  return refuse(`'${text}' must be from ${field.min} to ${field.max}${names}`)
}

/** `L` is the last day, `LW` the last weekday, `15W` the weekday nearest to the 15th. */
function withoutDayModifier(part: string, text: string, refuse: Refuse): string {
  if (/^lw$/i.test(part) && part !== text) refuse(`'${text}' has LW in a list`)
  return /^lw?$/i.test(part) ? '*' : part.replace(/^(\d+)w$/i, '$1')
}

/** `FRI#2` is the second Friday of a month, `FRI#L` or `FRIL` the last. */
function withoutWeekdayModifier(part: string, _: string, refuse: Refuse): string {
  const [days = '', nth, ...more] = part.split('#')
  if (nth === undefined) return days.replace(/^(\w+)l$/i, '$1')
  if (more.length > 0 || !/^[1-5l]$/i.test(nth)) refuse(`'${part}' must end in #1 to #5, or #L`)
  return days
}
