import { pino } from 'pino'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createGate } from '#kernel/http/gate.ts'
import { mount } from '#kernel/http/mount.ts'
import { RateLimits } from '#kernel/http/rate-limits.ts'
import { get } from '#sdk/route.ts'

const settings = { windowSeconds: 60, global: 1, perIp: 1, perActor: 1, operatorSkipsGlobal: false }
const gate = createGate({ apiKey: () => 'k', trustedProxyCidrs: () => [] }, new RateLimits(() => settings))
const options = { context: {}, gate, log: pino({ enabled: false }) }
const table = { getA: get('/a/:id', { summary: 'A', response: z.string() }) }

test('a route needs a handler or a place on the pending list', () => {
  expect(() => mount({ letters: { table, handlers: {} } }, options)).toThrow('Route letters.getA has no handler')
  expect(() =>
    mount({ letters: { table, handlers: {} } }, { ...options, pending: new Set(['letters.getA']) }),
  ).not.toThrow()
})

test('a name that no route has is a mistake', () => {
  const handlers = { getA: () => 'a' }
  expect(() => mount({ letters: { table, handlers } }, { ...options, unlimited: new Set(['letters.getB']) })).toThrow(
    'letters.getB',
  )
})

test('two routes can not have the same place', () => {
  const handlers = { getA: () => 'a' }
  const other = { getA: get('/a/:name', { summary: 'A', response: z.string() }) }
  expect(() => mount({ letters: { table, handlers }, others: { table: other, handlers } }, options)).toThrow(
    'declared twice',
  )
})
