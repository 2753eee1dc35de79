import { z } from 'zod'
import { eventFrame } from '../events.ts'
import { get, post } from '../route.ts'
import { clampedInteger, filter } from './query.ts'
import { count } from './values.ts'

const maxTypesLength = 4096

/** Where to go on reading: numbers of another epoch mean nothing in this one. */
const position = { since: clampedInteger(0, 0), epoch: filter }

export const eventsRoutes = {
  createTicket: post('/api/ws-ticket', {
    summary: 'Issue a one-use WebSocket ticket',
    response: z.object({
      /** `wst_` and 64 hexadecimal digits. */
      ticket: z.string(),
      /** Seconds. */
      expires_in: count,
    }),
  }),
  listEvents: get('/api/events', {
    summary: 'Event log by sequence number',
    query: z.object({
      ...position,
      limit: clampedInteger(200, 1, 1000),
      /** Names, separated by commas; all of them unless told. */
      types: z.string().max(maxTypesLength).optional(),
    }),
    response: z.object({
      events: z.array(eventFrame),
      epoch: z.string(),
      /** Ask for what comes after this one. */
      last_seq: count,
      /** Events after `since` are no longer kept. */
      gap: z.boolean(),
    }),
  }),
}

/** Counted and documented with the others; the WebSocket server answers it, not the router. */
export const socketRoutes = {
  openSocket: get('/ws', {
    summary: 'Real-time event push (upgrades to WebSocket)',
    query: z.object({ ...position, ticket: filter }),
    response: z.void(),
    event: eventFrame,
  }),
}
