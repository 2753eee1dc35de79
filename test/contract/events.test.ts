import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { eventFrame, events } from '#sdk/events.ts'
import { expectGolden } from '../support/golden.ts'

const envelope = Object.keys(eventFrame.shape)

describe('events', () => {
  it('are the golden catalogue', async () => {
    const lines = Object.entries(events).map(([name, fields]) => {
      const { properties = {}, required = [] } = z.toJSONSchema(fields, { io: 'input' })
      const keys = Object.keys(properties).map((key) => (required.includes(key) ? key : `${key}?`))
      return `${name}\t${keys.join(' ')}`
    })
    await expectGolden('events.tsv', `${lines.sort().join('\n')}\n`)
  })

  it('are named noun_what_happened and leave the keys of the envelope alone', () => {
    for (const [name, fields] of Object.entries(events)) {
      expect(name).toMatch(/^[a-z0-9]+(_[a-z0-9]+)+$/)
      expect(
        Object.keys(fields.shape).filter((key) => envelope.includes(key)),
        name,
      ).toEqual([])
    }
  })
})
