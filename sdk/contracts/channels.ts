import { z } from 'zod'
import { channelBounds } from '../channels/message.ts'
import { platformName } from '../channels/platforms.ts'
import { del, get, post, put } from '../route.ts'
import { authority } from '../services/agent.ts'
import { clampedInteger } from './query.ts'
import { shortField, textField } from './text-field.ts'
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
  /** What the platform can do; absent for `web` and `a2a`. */
  capabilities: z
    .object({
      markup: z.string(),
      /** The longest part of a message, and in what it is counted. */
      text_most: count,
      text_unit: z.string(),
      file_bytes: count,
      threads: z.boolean(),
      edits: z.boolean(),
      typing: z.boolean(),
      buttons: z.boolean(),
      groups: z.boolean(),
      idempotency: z.enum(['key', 'none']),
    })
    .optional(),
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
  /** The platform's own. */
  error_code: z.string().nullable(),
  thread_id: z.string().nullable(),
  created_at: time,
})
export type DeadLetter = z.infer<typeof deadLetter>

/** Someone who has shown a code that the operator gave them. */
export const channelPeer = z.object({
  id: z.string(),
  channel: platformName,
  sender_id: z.string(),
  sender_name: z.string().nullable(),
  chat_id: z.string(),
  authority,
  paired_at: time,
})
export type ChannelPeer = z.infer<typeof channelPeer>

export const delivery = deadLetter.extend({
  status: z.enum(['pending', 'in_flight', 'delivered', 'dead_letter', 'discarded']),
  parts_sent: count,
  next_retry_at: time,
  delivered_at: time.nullable(),
  turn_id: z.string().nullable(),
})
export type Delivery = z.infer<typeof delivery>

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
  discardDeadLetter: del('/api/channels/dead-letter/:id', {
    summary: 'Discard a dead letter',
    errors: 'ok_false',
    response: z.object({ ok: z.literal(true), id: z.string(), status: z.literal('discarded') }),
  }),
  /** Newest first. */
  listDeliveries: get('/api/channels/outbox', {
    summary: 'Messages on their way out, and those that were sent',
    query: z.object({
      channel: platformName.optional(),
      status: delivery.shape.status.optional(),
      limit: clampedInteger(50, 1, 500),
    }),
    response: z.object({ deliveries: z.array(delivery), count }),
  }),
  listPeers: get('/api/channels/peers', {
    summary: 'People paired with a code',
    response: z.object({ peers: z.array(channelPeer) }),
  }),
  deletePeer: del('/api/channels/peers/:id', {
    summary: 'End a pairing',
    response: z.object({ deleted: z.literal(true), id: z.string() }),
  }),
  /** The code is shown here and nowhere else; whoever sends `/pair CODE` to Keel over the channel in time is paired. */
  createPairingCode: post('/api/channels/adapters/:channel/pair', {
    summary: 'Make a code for someone to pair with',
    body: z.object({ authority: z.enum(['Peer', 'Creator']).default('Peer') }),
    response: z.object({ channel: platformName, code: z.string(), authority, expires_at: time }),
  }),
  /** Asks the platform who Keel is there and, with a `chat_id`, sends a message there. */
  testChannel: post('/api/channels/adapters/:channel/test', {
    summary: 'Test a channel',
    body: z.object({ chat_id: shortField.optional(), text: textField(4_096).optional() }),
    response: z.object({
      ok: z.boolean(),
      channel: platformName,
      identity: z.string().nullable(),
      error: z.string().nullable(),
      delivery_id: z.string().nullable(),
    }),
  }),
  /** Kept in the outbox when it answers. */
  sendMessage: post('/api/channels/adapters/:channel/send', {
    summary: 'Send a message over a channel',
    body: z.object({
      chat_id: shortField,
      thread_id: shortField.optional(),
      text: textField(channelBounds.textBytes),
      /** The same key sends once. */
      idempotency_key: shortField.optional(),
    }),
    response: z.object({ delivery_id: z.string(), status: delivery.shape.status }),
  }),
  /** Sealed at rest and never told again; in use at once. */
  setChannelSecret: put('/api/channels/adapters/:channel/secrets/:secret', {
    summary: 'Store a secret of a channel',
    body: z.object({ value: textField(4_096) }),
    response: z.object({ stored: z.literal(true), channel: platformName, secret: z.string() }),
  }),
  deleteChannelSecret: del('/api/channels/adapters/:channel/secrets/:secret', {
    summary: 'Forget a secret of a channel',
    response: z.object({ removed: z.boolean(), channel: platformName, secret: z.string() }),
  }),
  restartChannel: post('/api/channels/adapters/:channel/restart', {
    summary: 'Restart one adapter',
    response: z.object({ ok: z.literal(true), channel: platformName }),
  }),
}
