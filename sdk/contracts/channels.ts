import { z } from 'zod'
import { get, post } from '../route.ts'
import { clampedInteger } from './query.ts'
import { count, time } from './values.ts'

/** `sessions_active` is there for `a2a` alone. */
export const channelStatus = z.object({
  name: z.string(),
  connected: z.boolean(),
  configured: z.boolean(),
  messages_received: count,
  messages_sent: count,
  last_error: z.string().nullable(),
  last_activity: time.nullable(),
  mode: z.enum(['polling', 'webhook', 'gateway', 'local']),
  queue_depth: count,
  dead_letters: count,
  sessions_active: count.optional(),
})
export type ChannelStatus = z.infer<typeof channelStatus>

export const deadLetter = z.object({
  id: z.string(),
  channel: z.string(),
  recipient_id: z.string(),
  content: z.string(),
  idempotency_key: z.string(),
  attempts: count,
  max_attempts: count,
  last_error: z.string().nullable(),
  created_at: time,
})
export type DeadLetter = z.infer<typeof deadLetter>

export const channelsRoutes = {
  listChannels: get('/api/channels/status', {
    summary: 'Channel adapter status',
    /** A bare array: command lines read it as one. */
    response: z.array(channelStatus),
  }),
  listDeadLetters: get('/api/channels/dead-letter', {
    summary: 'Dead letter queue',
    errors: 'ok_false',
    query: z.object({ limit: clampedInteger(50, 1, 500) }),
    response: z.object({ items: z.array(deadLetter), count }),
  }),
  replayDeadLetter: post('/api/channels/dead-letter/:id/replay', {
    summary: 'Replay a dead letter',
    errors: 'ok_false',
    response: z.object({ ok: z.literal(true), id: z.string(), status: z.literal('pending') }),
  }),
}
