import { describe, expect, it } from 'vitest'
import { errorTable, isErrorOf, kindOfCode, RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import { expectGolden } from '../support/golden.ts'

const rows = Object.entries(errorTable)

describe('errors', () => {
  it('are the golden table', async () => {
    const lines = rows.map(([kind, { code, status, retry, title }]) => [kind, code, status, retry, title].join('\t'))
    await expectGolden('errors.tsv', `${lines.sort().join('\n')}\n`)
  })

  it('have a code each, and an HTTP status that says error', () => {
    expect(new Set(rows.map(([, { code }]) => code)).size).toBe(rows.length)
    for (const [kind, { code, status }] of rows) {
      expect(kindOfCode(code)).toBe(kind)
      expect(status, kind).toBeGreaterThanOrEqual(400)
    }
  })

  it('tell the caller nothing of what was not thrown for it', () => {
    const cause = new Error('SQLITE_CONSTRAINT in /home/someone')
    const error = toRuntimeError(cause)
    expect(isErrorOf(error, 'internal')).toBe(true)
    expect(error.message).toBe(errorTable.internal.title)
    expect(error.cause).toBe(cause)
    const ours = new RuntimeError('conflict', 'No such luck')
    expect(toRuntimeError(ours)).toBe(ours)
    expect(isErrorOf(ours, 'internal', 'not_found')).toBe(false)
  })
})
