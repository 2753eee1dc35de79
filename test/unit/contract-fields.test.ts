import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { browserAction } from '#sdk/contracts/browser.ts'
import { feedbackRoutes } from '#sdk/contracts/feedback.ts'
import { logsRoutes } from '#sdk/contracts/logs.ts'
import { clampedInteger, flag, instant, page, period } from '#sdk/contracts/query.ts'
import { longField, shortField } from '#sdk/contracts/text-field.ts'

/** What the schema makes of a value, or the message of its refusal. */
function outcome(schema: z.ZodType, value: unknown): unknown {
  const { success, data, error } = schema.safeParse(value)
  return success ? data : error.issues[0]?.message
}

describe('text fields', () => {
  it.each([
    ['', 'must not be empty'],
    [' \n\t', 'must not be empty'],
    ['a\0b', 'must not contain null bytes'],
    ['x'.repeat(257), 'exceeds max length (256)'],
    ['ü'.repeat(129), 'exceeds max length (256)'],
    [undefined, 'is required'],
    [7, 'must be a string'],
    ['ü'.repeat(128), 'ü'.repeat(128)],
    [' <b>as it is</b> ', ' <b>as it is</b> '],
  ])('short: %j', (given, expected) => {
    expect(outcome(shortField, given)).toBe(expected)
  })

  it('long: 4096 bytes', () => {
    expect(longField.safeParse('x'.repeat(4096)).success).toBe(true)
    expect(outcome(longField, 'x'.repeat(4097))).toBe('exceeds max length (4096)')
  })
})

describe('query values', () => {
  it.each([
    [{}, { limit: 200, offset: 0 }],
    [
      { limit: '7', offset: '3' },
      { limit: 7, offset: 3 },
    ],
    [
      { limit: 7, offset: 3 },
      { limit: 7, offset: 3 },
    ],
    [
      { limit: '0', offset: '-5' },
      { limit: 1, offset: 0 },
    ],
    [{ limit: '99999' }, { limit: 500, offset: 0 }],
  ])('page: %j', (given, expected) => {
    expect(z.object(page).parse(given)).toEqual(expected)
  })

  it.each(['', ' ', 'ten', '1.5', '1e3', '0x10', '9'.repeat(30), ['1', '2'], true, null])(
    'no integer: %j is refused',
    (given) => {
      expect(outcome(clampedInteger(10, 1, 500), given)).toBe('must be an integer')
    },
  )

  it.each([
    ['true', true],
    ['1', true],
    ['', true],
    ['false', false],
    ['0', false],
    [true, true],
    [undefined, false],
    ['yes', 'must be true or false'],
    [['true', 'false'], 'must be true or false'],
  ])('flag: %j', (given, expected) => {
    expect(outcome(flag, given)).toBe(expected)
  })

  it.each([
    ['2025-01-31 09:15:02', '2025-01-31T09:15:02.000Z'],
    ['2025-01-31T09:15:02.123Z', '2025-01-31T09:15:02.123Z'],
    ['2025-01-31T09:15', '2025-01-31T09:15:00.000Z'],
    ['2025-01-31T10:15:02+01:00', '2025-01-31T09:15:02.000Z'],
    ['2025-01-31', '2025-01-31T00:00:00.000Z'],
    [undefined, undefined],
    ['yesterday', 'must be a time such as 2025-01-31T09:15:02Z'],
    ['', 'must be a time such as 2025-01-31T09:15:02Z'],
  ])('time: %j', (given, expected) => {
    expect(outcome(instant, given)).toBe(expected)
  })

  it('period: a word it does not know means all time', () => {
    expect(period('7d').parse(undefined)).toBe('7d')
    expect(period('7d').parse('24h')).toBe('24h')
    expect(period('7d').parse('fortnight')).toBe('all')
  })

  it('logs: what is not right counts as absent', () => {
    const { query } = logsRoutes.listLogs.options
    expect(query.parse({ lines: 'many', level: 'loud' })).toMatchObject({ lines: 100, level: undefined, follow: false })
    expect(query.parse({ lines: '20000', level: 'warn' })).toMatchObject({ lines: 10_000, level: 'warn' })
  })
})

describe('bodies', () => {
  it.each([0, 6, 3.5, '3', Number.NaN])('grade %j is refused', (grade) => {
    const { body } = feedbackRoutes.createTurnFeedback.options
    expect(outcome(body, { grade })).toBe('must be between 1 and 5')
  })

  it('grade: the comment may be absent, null, blank or text', () => {
    const { body } = feedbackRoutes.updateTurnFeedback.options
    for (const comment of [undefined, null, '', 'fine'])
      expect(body.parse({ grade: 3, comment })).toEqual({ grade: 3, comment })
    expect(body.safeParse({ grade: 3, comment: 'x'.repeat(4097) }).success).toBe(false)
  })

  it.each(['GetCookies', 'get_cookies', 'GETCOOKIES'])('browser action %s is one of several spellings', (action) => {
    expect(browserAction.parse({ action, ignored: 1 })).toEqual({ action: 'get_cookies' })
  })

  it('browser actions know each their fields', () => {
    expect(browserAction.parse({ action: 'Evaluate', script: '1+1' })).toEqual({
      action: 'evaluate',
      expression: '1+1',
    })
    for (const bad of [
      { action: 'Click' },
      { action: 'click', selector: 'a{b' },
      { action: 'fly' },
      {},
      'click',
      null,
    ]) {
      expect(browserAction.safeParse(bad).success, JSON.stringify(bad)).toBe(false)
    }
  })
})
