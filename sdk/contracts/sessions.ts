import { z } from 'zod'
import { del, get, post } from '../route.ts'
import { filter, flag, page, pageInfo } from './query.ts'
import { longField, shortField } from './text-field.ts'
import { count, time } from './values.ts'

export const sessionStatus = z.enum(['active', 'archived', 'expired'])

/** One conversation of one agent within one scope. */
export const session = z.object({
  id: z.string(),
  agent_id: z.string(),
  scope_key: z.string(),
  status: sessionStatus,
  /** The last model used. */
  model: z.string().nullable(),
  nickname: z.string().nullable(),
  created_at: time,
  updated_at: time,
  /** JSON text that only clients understand. */
  metadata: z.string().nullable(),
  turn_count: count,
  message_count: count,
})
export type Session = z.infer<typeof session>

export const messageRole = z.enum(['user', 'assistant', 'system', 'tool'])

export const message = z.object({
  id: z.string(),
  session_id: z.string(),
  parent_id: z.string().nullable(),
  role: messageRole,
  content: z.string(),
  usage_json: z.string().nullable(),
  created_at: time,
  /** The turn that wrote it, on assistant messages. */
  turn_id: z.string().nullable(),
})
export type Message = z.infer<typeof message>

export const sessionsRoutes = {
  listSessions: get('/api/sessions', {
    summary: 'List sessions',
    query: z.object({
      ...page,
      agent_id: filter,
      status: sessionStatus.optional(),
      q: filter,
      order: z.enum(['created', 'updated']).default('created'),
      has_flight_records: flag,
    }),
    response: z.object({ sessions: z.array(session), ...pageInfo }),
  }),
  createSession: post('/api/sessions', {
    summary: 'Create new session',
    body: z
      .object({
        agent_id: shortField.optional(),
        scope: shortField.optional(),
        nickname: shortField.optional(),
        metadata: longField.optional(),
      })
      .prefault({}),
    response: session.extend({ session_id: z.string() }),
  }),
  getSession: get('/api/sessions/:id', { summary: 'Session detail', response: session }),
  deleteSession: del('/api/sessions/:id', {
    summary: 'Delete a session and what belongs to it',
    response: z.object({ deleted: z.literal(true), id: z.string() }),
  }),
  archiveSession: post('/api/sessions/:id/archive', {
    summary: 'Archive a session',
    response: z.object({ id: z.string(), status: z.literal('archived') }),
  }),
  listMessages: get('/api/sessions/:id/messages', {
    summary: 'Session message history',
    query: z.object({ ...page, before: filter }),
    response: z.object({ messages: z.array(message), has_more: z.boolean(), ...pageInfo }),
  }),
  appendMessage: post('/api/sessions/:id/messages', {
    summary: 'Append message to session',
    body: z.object({ role: z.enum(['user', 'assistant'], 'must be user or assistant'), content: longField }),
    response: z.object({ message_id: z.string(), id: z.string() }),
  }),
  backfillNicknames: post('/api/sessions/backfill-nicknames', {
    summary: 'Backfill session nicknames via LLM',
    response: z.object({
      backfilled: count,
      updated: count,
      via_llm: count,
      via_heuristic: count,
      remaining: count,
    }),
  }),
}
